"""StackStorm's actions package, as far as packs use it."""
