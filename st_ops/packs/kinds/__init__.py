"""One file per kind of resource: from a parsed metadata file to the model, or the faults in the way."""
