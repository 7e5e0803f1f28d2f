"""Part of StackStorm's common package, as far as packs use it."""
