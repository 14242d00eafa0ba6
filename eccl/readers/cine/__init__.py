"""Short-axis cine studies as typed stacks of slices and frames."""
