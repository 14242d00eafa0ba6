"""Predictions against truth: metrics, Table 1, figures."""
