"""Numbers on ECGs: arrays in, arrays and numbers out. Knows no other part of the package."""
