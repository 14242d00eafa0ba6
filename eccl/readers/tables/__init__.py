"""Tabular exports and withdrawal lists as typed values."""
