"""Scores of a run's predictions on the splits that may be scored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from eccl.cards.performance import Scores, read_groups, score_disease, score_traits
from eccl.config import load_params
from eccl.data.parts import data_version, read_table
from eccl.evaluation.predictions import Truth, predicted_disease, predicted_traits, read_predictions, read_truth
from eccl.evaluation.test_split.access import find_access
from eccl.evaluation.test_split.selection import Selection, read_selected
from eccl.features.files import runs_of
from eccl.inference.reference import RunReference, label_definition, validation_reference
from eccl.training.inputs.targets import codes_of
from eccl.training.runs import Run
from eccl.training.settings import TASKS
from eccl.workspace import Workspace

READS_CINE = "pretrain_cmr"
TRAITS, DISEASES = TASKS[0], TASKS[1:]


@dataclass(frozen=True, slots=True)
class Evidence:
    """Scores of one run.

    Parameters
    ----------
    scores
        By split, then one per target.
    fields
        field_id, title, short_name and units of the traits.
    reference
        Intervals and calibration from validation; empty for a run that reads the cine or predicts nothing.
    definition
        Definition of the diseases' labels.
    test_note
        Why the card has no scores of the test split; empty if it has.
    """

    scores: Mapping[str, tuple[Scores, ...]]
    fields: pl.DataFrame
    reference: RunReference
    definition: str
    test_note: str


def gather(workspace: Workspace, run: Run) -> Evidence | None:
    """Score a run on validation and, if the test split was scored for it already, on test; None if it predicts nothing.

    A card never scores the test split for the first time: :mod:`eccl.evaluation.test_split.access` must record that it was
    scored for the same weights.

    Raises
    ------
    FeatureError
        The run's predictions do not cover the workspace's data.
    """
    views = _views(workspace, run)
    if not views:
        return None
    params = load_params(workspace.params_file)
    instances = tuple(params.presets[params.preset]["evaluation"]["instances"])
    definition = label_definition(workspace, run)
    access = find_access(workspace, run.record, data_version(workspace.data), definition)
    selection, note = access.selection, access.denied
    scores: dict[str, tuple[Scores, ...]] = {}
    fields = pl.DataFrame()
    for split in ("val",) if note else ("val", "test"):
        used = selection.scope.instances if selection is not None and split == "test" else instances
        truth = read_truth(workspace, split, used, DISEASES, definition)
        scores[split] = _score(workspace, run, truth, views, used, selection if split == "test" else None)
        fields = truth.fields
    units = pl.DataFrame(read_table(workspace.data, "fields", ["field_id", "units"]))
    fields = fields.join(units, on="field_id", how="left", maintain_order="left")
    reads_ecg = run.record["stage"] != READS_CINE
    reference = validation_reference(workspace, run) if reads_ecg else RunReference()
    return Evidence(scores, fields, reference, definition, note)


def _views(workspace: Workspace, run: Run) -> dict[str, str]:
    """Views of a run's predictions that it has written, by kind."""
    prefix = "cmr_" if run.record["stage"] == READS_CINE else ""
    wanted = {TRAITS: f"{prefix}trait_prediction", "diseases": f"{prefix}disease_prediction"}
    name = str(run.record["run"])
    return {kind: view for kind, view in wanted.items() if name in runs_of(workspace.features, view)}


def _score(
    workspace: Workspace,
    run: Run,
    truth: Truth,
    views: Mapping[str, str],
    instances: tuple[int, ...],
    selection: Selection | None,
) -> tuple[Scores, ...]:
    name, groups = str(run.record["run"]), read_groups(workspace, truth)

    def read(view: str, code: str | None = None) -> pl.DataFrame:
        if selection is not None:
            return read_selected(workspace, selection, view, name, truth.split, code)
        return read_predictions(workspace, view, name, truth.split, instances, code)

    found: list[Scores] = []
    if TRAITS in views:
        found.append(score_traits(truth, predicted_traits(read(views[TRAITS]), truth), groups))
    if "diseases" in views:
        for code in codes_of(run.record["task"]):
            logit, probability = predicted_disease(read(views["diseases"], code), truth)
            found.append(score_disease(truth, code, logit, probability, groups))
    return tuple(found)
