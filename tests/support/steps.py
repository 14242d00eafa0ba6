"""Small steps that the tests of the stages share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel

from eccl.data.files import sha256_file
from eccl.training.__main__ import main
from eccl.workspace import Workspace
from eccl.yaml_text import parse_yaml

Copy = Callable[[Workspace], Workspace]
Config = TypeVar("Config", bound=BaseModel)


def bytes_below(folder: Path) -> dict[str, str]:
    return {str(file.relative_to(folder)): sha256_file(file) for file in sorted(folder.rglob("*")) if file.is_file()}


def train(workspace: Workspace, *arguments: str) -> int:
    return main([*arguments, "--workspace", str(workspace.root)])


def change_params(workspace: Workspace, **changes: Any) -> None:
    """Set ``section.key`` of the preset in use."""
    content = parse_yaml(workspace.params_file.read_text())
    for path, value in changes.items():
        place = content["presets"][content["preset"]]
        *folders, last = path.split(".")
        for folder in folders:
            place = place[folder]
        place[last] = value
    workspace.params_file.write_text(yaml.safe_dump(content))


def changed(config: Config, **values: Any) -> Config:
    """A frozen configuration with other values."""
    return config.model_copy(update=values)
