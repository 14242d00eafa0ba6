"""Trains the runs of the experiment table that are missing."""
