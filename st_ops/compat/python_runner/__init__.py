"""StackStorm's Python runner, as far as tests of packs use it."""
