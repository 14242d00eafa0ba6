"""Signal processing of ECGs: arrays in, arrays and numbers out. Imports no other part of the package."""
