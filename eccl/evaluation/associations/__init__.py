"""Regressions of measured traits, diseases and later diagnoses on the predictions from the ECG."""
