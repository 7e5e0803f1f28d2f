"""StackStorm's sensor package, as far as packs use it."""
