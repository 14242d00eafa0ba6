"""Arms that a preset makes equal: what an arm changes may be what the preset has anyway."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from eccl.training.settings.arms import Arm, ArmTable, changes_of, choose_naming
from eccl.training.settings.config import TrainingParams, read_params, resolve_params


def find_twins(params_file: Path, table: ArmTable, among: Collection[str] | None = None) -> list[str]:
    """Keys of the arms that are the reference itself under the chosen preset, in the table's order.

    Their runs have the same numbers at the same seed; a difference of 0 says nothing of what the arm is named after.

    Parameters
    ----------
    among
        Arms that are asked about; None is all.
    """
    content = read_params(params_file)
    reference = table.arms[table.reference]
    own = _resolved(content, table, reference)
    if own is None:
        return []
    others = [arm for key, arm in table.arms.items() if key != table.reference and (among is None or key in among)]
    return [arm.key for arm in others if _is_alike(arm, reference) and _resolved(content, table, arm) == own]


def _is_alike(arm: Arm, reference: Arm) -> bool:
    """Whether two arms are trained by the same stages, and on one task at a time."""
    is_split = "all" not in arm.tasks and "all" not in reference.tasks
    return is_split and arm.stage == reference.stage and set(arm.parts) == set(reference.parts)


def _resolved(content: Mapping[str, Any], table: ArmTable, arm: Arm) -> TrainingParams | None:
    naming = choose_naming(table, arm.stage, arm.variant, table.seeds[0])
    return resolve_params(content, changes=changes_of(table, naming))[0]
