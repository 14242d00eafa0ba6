"""The arm of a run: from the run's own record, or for runs that recorded none, from today's experiment table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eccl.errors import ConfigError
from eccl.training.settings.arms import choose_naming, describe_variant, load_arms, tell_value


@dataclass(frozen=True, slots=True)
class ArmNote:
    """The arm or part that a run was trained as.

    Parameters
    ----------
    description
        See :func:`eccl.training.settings.arms.describe_variant`; None if neither the run nor the table contains it.
    is_recorded
        Whether the run itself recorded it; otherwise it is read from the present table.
    """

    description: Mapping[str, Any] | None
    is_recorded: bool


def read_arm(record: Mapping[str, Any], arms_file: Path) -> ArmNote | None:
    """Read what a run was trained as; None for the workspace's own runs.

    Only runs that did not record their arm need the experiment table.

    Parameters
    ----------
    record
        Content of run.json.
    arms_file
        The experiment table; it may be missing.

    Raises
    ------
    ConfigError
        The table is needed and has problems.
    """
    if record.get("variant") is None:
        return None
    if record.get("arm"):
        return ArmNote(record["arm"], is_recorded=True)
    if not arms_file.is_file():
        return ArmNote(None, is_recorded=False)
    table = load_arms(arms_file)
    try:
        naming = choose_naming(table, record["stage"], record["variant"], int(record["seed"]))
    except ConfigError:  # the arm was removed from the table, or belongs to another stage now
        return ArmNote(None, is_recorded=False)
    return ArmNote(describe_variant(table, naming), is_recorded=False)


def list_changes(arm: ArmNote | None) -> list[str]:
    """List the changed parameters of an arm as Markdown, for example ``- `align.alignment.loss`: `triplet` ``."""
    if arm is None or arm.description is None:
        return []
    return [f"`{key}`: {_value(value)}" for key, value in arm.description["changes"].items()]


def _value(value: Any) -> str:
    is_elsewhere = isinstance(value, Mapping) and set(value) == {"use"}
    return f"`{tell_value(value)}`{' of the preset' if is_elsewhere else ''}"
