"""What all reports call things, and when they call a difference firm."""

from __future__ import annotations

NAMES = {"I21": "MI", "I42": "CM", "I48": "AF", "I50": "HF", "traits": "Traits"}
LONG_NAMES = {
    "I21": "myocardial infarction",
    "I42": "cardiomyopathy",
    "I48": "atrial fibrillation",
    "I50": "heart failure",
}
SCORED_SPLITS = ("val", "test")
"""Splits that no network learns from, in the order of the tables."""
SPLITS = {"train": "training", "val": "validation", "test": "test"}
"""Splits in words."""
SIGNIFICANT = 0.05
"""q below which a difference is marked."""
