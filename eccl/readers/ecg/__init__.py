"""ECG files as typed recordings."""
