"""Simulated ECGs."""
