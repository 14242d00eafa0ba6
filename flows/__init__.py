"""Prefect flows: the steps of each procedure, one screen per flow. They contain no science and no SQL."""

import eccl  # noqa: F401  (turns telemetry off before Prefect is imported)
