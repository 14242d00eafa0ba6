"""ECCL: a feature-store-backed data platform for paired ECG and cardiac MR.

The import is cheap: it loads neither torch, prefect nor great_expectations.
"""

from __future__ import annotations

import os
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from eccl.features.store import FeatureStore

__all__ = ["FeatureStore", "__version__", "open"]

try:
    __version__ = version("eccl")
except PackageNotFoundError:  # a checkout on sys.path that was never installed
    __version__ = "0.0.0"

# Telemetry of Prefect, Great Expectations and DVC is off unless the user turns it on.
for _name, _value in {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
    "GX_ANALYTICS_ENABLED": "false",
    "DVC_NO_ANALYTICS": "true",
}.items():
    os.environ.setdefault(_name, _value)


def __getattr__(name: str) -> Any:
    if name in {"open", "FeatureStore"}:
        from eccl.features import store as feature_store

        return feature_store.open_store if name == "open" else feature_store.FeatureStore
    raise AttributeError(f"module 'eccl' has no attribute {name!r}")
