"""Simulated short-axis cines."""
