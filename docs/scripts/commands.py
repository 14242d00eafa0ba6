"""Write docs/reference/commands.md, the command reference, from the Typer application.

python docs/scripts/commands.py
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from typer.main import get_command

from eccl.commands.app import PANELS, app

PAGE = Path(__file__).resolve().parents[1] / "reference" / "commands.md"
EXAMPLE = "Example: "


@dataclass(frozen=True, slots=True)
class Entry:
    """One command of `eccl`, e.g. ``features list``."""

    name: str
    panel: str
    command: Any

    @property
    def paragraphs(self) -> list[str]:
        """Paragraphs of the help text, without the examples."""
        return [text for text in self._texts() if not text.startswith(EXAMPLE)]

    @property
    def examples(self) -> list[str]:
        """Command lines of the help text."""
        return [text.removeprefix(EXAMPLE) for text in self._texts() if text.startswith(EXAMPLE)]

    @property
    def parameters(self) -> list[Any]:
        """Arguments first, then options, without --help."""
        shown = [one for one in self.command.params if one.name != "help"]
        return sorted(shown, key=lambda one: one.param_type_name != "argument")

    def _texts(self) -> list[str]:
        return [" ".join(text.split()) for text in (self.command.help or "").split("\n\n")]


def list_commands() -> Iterator[Entry]:
    """Every command in the order of `eccl --help`, members of groups included."""
    root = get_command(app)
    for panel, names in PANELS.items():
        for name in names:
            command = root.commands[name]
            for member in getattr(command, "commands", {}):
                yield Entry(f"{name} {member}", panel, command.commands[member])
            if not hasattr(command, "commands"):
                yield Entry(name, panel, command)


def commands_page() -> str:
    """Return the command reference as Markdown."""
    parts = [
        "# Commands",
        "Generated from the command line itself (`python docs/scripts/commands.py`); `eccl COMMAND --help` prints the same.",
    ]
    panel = ""
    for entry in list_commands():
        if entry.panel != panel:
            panel = entry.panel
            parts.append(f"## {panel}")
        parts.append(_section(entry))
    return "\n\n".join(parts) + "\n"


def _section(entry: Entry) -> str:
    examples = "\n".join(entry.examples)
    lines = ["| argument or option | | default |", "|---|---|---|"]
    lines += [
        f"| {_label(one)} | {_cell(one.help)}{_choices(one)} | {'required' if one.required else _cell(_default(one))} |"
        for one in entry.parameters
    ]
    return "\n\n".join(
        [f"### eccl {entry.name}", *entry.paragraphs, f"```console\n{examples}\n```", "\n".join(lines)],
    )


def _label(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return f"`{(parameter.metavar or parameter.name).upper()}`"
    names = [*parameter.opts, *parameter.secondary_opts]
    return ", ".join(f"`{name}`" for name in names)


def _choices(parameter: Any) -> str:
    kind = parameter.type_descriptor.annotation
    if get_origin(kind) is not Literal:
        return ""
    return f" One of {', '.join(f'`{one}`' for one in get_args(kind))}."


def _default(parameter: Any) -> str:
    value = parameter.default
    if isinstance(value, bool):
        return parameter.opts[0] if value else ""
    if value is None or callable(value):
        return ""
    return str(value)


def _cell(text: str | None) -> str:
    return " ".join((text or "").split()).replace("|", "\\|")


if __name__ == "__main__":
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(commands_page())
