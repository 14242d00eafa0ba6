"""Learning rate over optimiser steps: linear warm-up, then half a cosine to zero."""

from __future__ import annotations

import math


def learning_rate(step: int, total_steps: int, warmup_steps: int, peak: float) -> float:
    """Rate of one optimiser step.

    Steps are counted over the whole run, whatever groups or loaders an epoch is made of.

    Parameters
    ----------
    step
        0-based step.
    total_steps, warmup_steps
        Length of the run and of its warm-up.
    peak
        Rate at the end of the warm-up.

    Returns
    -------
    float
        ``peak * (step + 1) / warmup_steps`` during the warm-up, then ``peak * (1 + cos(pi * progress)) / 2``.
    """
    if step < warmup_steps:
        return peak * (step + 1) / warmup_steps
    progress = (step - warmup_steps) / max(1, total_steps - warmup_steps)
    return peak * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
