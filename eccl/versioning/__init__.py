"""Versions of data/ with git and DVC, and the result of the gate that they depend on."""
