"""Plain YAML content -> frozen dataclasses, with everything that is wrong reported together."""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from eccl.errors import ConfigError

T = TypeVar("T")


def from_mapping(kind: type[T], content: Mapping[str, Any], name: str) -> T:
    """Fill one configuration class, e.g. from the parameters in a run.json.

    Raises
    ------
    ConfigError
        Lists everything that does not fit.
    """
    problems: list[str] = []
    filled = fill(kind, content, name, problems)
    if problems or filled is None:
        raise ConfigError(f"{name} does not fit {kind.__name__}:\n  " + "\n  ".join(problems))
    return filled


def fill(kind: type[T], content: Any, path: str, problems: list[str]) -> T | None:
    """Fill one configuration class; what does not fit is added to `problems`, each with its path.

    A class may have a method ``problems() -> list[str]``, which is asked once its fields are read.
    """
    if not isinstance(content, Mapping):
        problems.append(f"{path}: expected a mapping, found {type(content).__name__}")
        return None
    hints = typing.get_type_hints(kind)
    names = [field.name for field in dataclasses.fields(typing.cast(Any, kind))]
    problems += [f"{path}.{key}: unknown key (known: {', '.join(names)})" for key in content if key not in names]
    problems += [f"{path}.{name}: missing" for name in names if name not in content]
    values = {
        name: _convert(hints[name], content[name], f"{path}.{name}", problems) for name in names if name in content
    }
    # No field may be None, so None marks what could not be read. A part that was read but is wrong does not keep the
    # whole from being checked: everything is reported together.
    if any(value is None for value in values.values()) or len(values) < len(names):
        return None
    filled = kind(**values)
    check = getattr(filled, "problems", None)
    problems += [f"{path}: {problem}" for problem in check()] if check else []
    return filled


def _convert(hint: Any, value: Any, path: str, problems: list[str]) -> Any:
    if dataclasses.is_dataclass(hint):
        return fill(typing.cast(type[Any], hint), value, path, problems)
    if typing.get_origin(hint) is tuple:
        return _convert_tuple(typing.get_args(hint), value, path, problems)
    if typing.get_origin(hint) is Mapping:
        return _convert_mapping(typing.get_args(hint)[1], value, path, problems)
    # PyYAML reads 8e-5 (no dot) as text; the file stays readable if that is understood.
    if hint is float and isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            pass
    is_number = isinstance(value, int) and not isinstance(value, bool)
    if hint is float and (isinstance(value, float) or is_number) and math.isfinite(value):
        return float(value)
    if (hint is int and is_number) or (hint in (str, bool) and isinstance(value, hint)):
        return value
    problems.append(f"{path}: expected {getattr(hint, '__name__', hint)}, found {value!r}")
    return None


def _convert_tuple(hints: tuple[Any, ...], value: Any, path: str, problems: list[str]) -> Any:
    if not isinstance(value, list | tuple):
        problems.append(f"{path}: expected a list, found {value!r}")
        return None
    if len(hints) == 2 and isinstance(hints[1], types.EllipsisType):
        hints = (hints[0],) * len(value)
    if len(hints) != len(value):
        problems.append(f"{path}: expected {len(hints)} values, found {len(value)}")
        return None
    pairs = enumerate(zip(hints, value, strict=True))
    values = tuple(_convert(hint, one, f"{path}[{i}]", problems) for i, (hint, one) in pairs)
    return None if None in values else values


def _convert_mapping(hint: Any, value: Any, path: str, problems: list[str]) -> Any:
    """Any names, each with a value of one type."""
    if not isinstance(value, Mapping):
        problems.append(f"{path}: expected a mapping, found {type(value).__name__}")
        return None
    values = {str(name): _convert(hint, one, f"{path}.{name}", problems) for name, one in value.items()}
    return None if None in values.values() else values
