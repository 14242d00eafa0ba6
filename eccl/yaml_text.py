"""YAML as plain values, by the parser in C where PyYAML was built with it: params.yaml is read by every command."""

from __future__ import annotations

from typing import Any

import yaml

LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""Knows plain values only, like ``yaml.safe_load``, and is six times as fast."""


def parse_yaml(text: str) -> Any:
    """Content of a YAML text; None where it is empty.

    Raises
    ------
    yaml.YAMLError
        It is not YAML.
    """
    return yaml.load(text, Loader=LOADER)
