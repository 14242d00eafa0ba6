"""Base of the configuration models, and the one error that lists everything that does not fit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from eccl.errors import ConfigError

Share = Annotated[float, Field(ge=0, le=1)]
Rate = Annotated[float, Field(ge=0, lt=1)]
Integers = Annotated[tuple[int, ...], Field(strict=False)]
"""A list of YAML or JSON; its values are integers, not text or booleans."""
RENAMED = {"start_from": "init_from"}
"""Keys of earlier versions, with their present names."""

Model = TypeVar("Model", bound=BaseModel)


class Section(BaseModel):
    """A frozen section of a configuration file, which refuses unknown keys, other types, NaN and infinities."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


def read_section(model: type[Model], content: Any, name: str, source: str = "params.yaml") -> Model:
    """Validate one section of a configuration file.

    Parameters
    ----------
    name
        Path of the section in the file, empty for the whole file.
    source
        Name of the file, for the message.

    Raises
    ------
    ConfigError
        Lists every unknown key, missing key and wrong value together.
    """
    problems: list[str] = []
    section = check_section(model, content, name, problems)
    if section is None:
        raise ConfigError(
            f"{source} does not fit, {len(problems)} problem{'' if len(problems) == 1 else 's'}: "
            f"{'; '.join(problems)}; correct all of them and run the command again"
        )
    return section


def check_section(model: type[Model], content: Any, name: str, problems: list[str]) -> Model | None:
    """Validate one section; return None and add to `problems` where it does not fit."""
    try:
        return model.model_validate(content)
    except ValidationError as error:
        problems += [_describe(model, name, problem) for problem in error.errors()]
        return None


def _describe(model: type[BaseModel], name: str, problem: Mapping[str, Any]) -> str:
    """One problem as path, expectation and what was found."""
    path = ".".join(str(part) for part in (name, *problem["loc"]) if part != "") or "the file"
    kind, found = problem["type"], problem["input"]
    key = str(problem["loc"][-1]) if problem["loc"] else ""
    if kind == "missing":
        return f"{path}: missing"
    if kind == "extra_forbidden":
        if key in RENAMED:
            return f"{path}: this key is now {RENAMED[key]}; rename it"
        return f"{path}: unknown key, expected one of {', '.join(_known_keys(model, problem['loc'][:-1]))}"
    if kind == "value_error":
        return f"{path}: {problem['ctx']['error']}"
    shown = type(found).__name__ if isinstance(found, Mapping) else repr(found)
    return f"{path}: {problem['msg'][0].lower()}{problem['msg'][1:]}, found {shown}"


def _known_keys(model: Any, path: tuple[int | str, ...]) -> list[str]:
    for part in path:
        fields = getattr(model, "model_fields", {})
        # An entry of a mapping of sections has any name; its section is the mapping's last type argument.
        model = fields[part].annotation if part in fields else model.__args__[-1]
    return list(model.model_fields)
