"""Support code of the flows."""
