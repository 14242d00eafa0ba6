"""Prefect flows: the protocol, one screen per flow. No science and no SQL lives here."""

import eccl  # noqa: F401  (turns telemetry off before Prefect is imported)
