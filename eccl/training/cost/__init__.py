"""Estimates of the cost of a stage."""
