"""Figures 2a to 2d of the paper."""
