"""Features computed by a trained network."""
