"""Model cards: origin, performance by subgroup, limits and parameters of a finished run on one page."""
