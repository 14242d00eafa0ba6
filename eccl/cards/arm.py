"""What the arm of a run was: from the run's own record, and for runs that are older than that, from today's experiment table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eccl.cards.markdown import bullets
from eccl.errors import ConfigError
from eccl.training.settings.arms import choose_naming, describe_variant, load_arms, tell_value


@dataclass(frozen=True, slots=True)
class ArmNote:
    """What is known of the arm or part that a run was trained as.

    Parameters
    ----------
    description
        See :func:`eccl.training.settings.arms.describe_variant`; None where neither the run nor the table knows.
    is_recorded
        Whether the run itself says so; otherwise it is what the table says today.
    """

    description: Mapping[str, Any] | None
    is_recorded: bool


def read_arm(record: Mapping[str, Any], arms_file: Path) -> ArmNote | None:
    """What a run was trained as; None for the workspace's own runs.

    The experiment table is read for runs alone that did not record their arm.

    Parameters
    ----------
    record
        Content of run.json.
    arms_file
        The experiment table; it need not be there.

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
    except ConfigError:  # the arm was taken out of the table, or belongs to another stage now
        return ArmNote(None, is_recorded=False)
    return ArmNote(describe_variant(table, naming), is_recorded=False)


def tell_arm(record: Mapping[str, Any], note: ArmNote | None) -> str:
    """Section of the card."""
    if note is None:
        return f"## Arm\n\nThe workspace's own run: preset `{record['preset']}` as it is.\n"
    name = f"## Arm\n\n`{record['variant']}`, seed {record['seed']}"
    if note.description is None:
        return f"{name}. What the arm changed was not recorded, and the table no longer has it.\n"
    title = note.description["title"] or "a part that arms share"
    parts = ", ".join(f"`{part}` ({stage})" for stage, part in note.description["parts"].items())
    built = f" It builds on {parts}." if parts else ""
    lines = [f"`{key}`: {_value(value)}" for key, value in note.description["changes"].items()]
    changes = (
        f"What it changes against preset `{record['preset']}`, beside the seed:\n\n{bullets(lines)}"
        if lines
        else f"It changes nothing but the seed against preset `{record['preset']}`.\n"
    )
    origin = (
        "" if note.is_recorded else "\nThe run did not record this; it is what `experiments/arms.yaml` says today.\n"
    )
    return f"{name}: {title}.{built} {changes}{origin}"


def _value(value: Any) -> str:
    is_elsewhere = isinstance(value, Mapping) and set(value) == {"use"}
    return f"`{tell_value(value)}`{' of the preset' if is_elsewhere else ''}"
