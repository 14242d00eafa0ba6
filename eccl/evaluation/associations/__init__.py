"""Regressions of what was measured, diagnosed and later diagnosed on what the models say of an ECG."""
