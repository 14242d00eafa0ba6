"""Visits, arrays, targets and augmentation for training."""
