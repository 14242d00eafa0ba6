"""YAML as plain values, by the parser in C where PyYAML was built with it: params.yaml is read by every command."""

from __future__ import annotations

import re
from typing import Any

import yaml

_Parser: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_MERGE = "tag:yaml.org,2002:merge"


def parse_yaml(text: str) -> Any:
    """Content of a YAML text; None where it is empty.

    Raises
    ------
    yaml.YAMLError
        It is not YAML, or a mapping has a key twice: the second would silently stand for both.
    """
    return yaml.load(text, Loader=_Loader)


class _Loader(_Parser):  # type: ignore[misc]
    """Plain values only, like ``yaml.SafeLoader``."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> Any:
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode) and key.tag != _MERGE]
        if len(set(keys)) < len(keys):
            twice = sorted({key for key in keys if keys.count(key) > 1})
            raise yaml.YAMLError(f"line {node.start_mark.line + 1} and below have {', '.join(twice)} twice")
        return super().construct_mapping(node, deep)


# PyYAML follows YAML 1.1, in which 8e-5 (no dot) is text; YAML 1.2 reads a number.
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?[0-9]+[eE][-+]?[0-9]+$"), list("-+0123456789")
)
