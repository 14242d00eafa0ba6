"""One real Prefect server with a database of its own for all flow tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import eccl  # noqa: F401  (telemetry off before Prefect is imported)
from tests.flows.server import Server, shared_server, using


@pytest.fixture(scope="session")
def prefect_server() -> Iterator[Server]:
    with using(shared_server()) as server:
        yield server
