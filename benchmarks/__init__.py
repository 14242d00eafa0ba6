"""Measurements: ratios against named references, written as CSV with machine and commit."""

from eccl.training.__main__ import prepare_cpu

prepare_cpu()  # as a stage does it, and before anything here loads torch
