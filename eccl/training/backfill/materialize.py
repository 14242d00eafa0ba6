"""Backfill features of visits that were ingested after a run was trained; nothing is trained.

::

    materialize(workspace, names)
      each run, CMR encoders before the runs that were aligned with them:
        missing rows ─ network, configuration and scaler from run.json and weights ─ features ─ one folder, written whole

Everything that determines a value is read from the run itself; params.yaml is not read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from eccl import __version__
from eccl.data.files import sweep
from eccl.data.lock import writing
from eccl.data.run_records import training_command
from eccl.errors import ConfigError, ReconcileError, VersionError, WorkspaceError
from eccl.features.materialized import (
    FOLDER,
    read_all_features,
    remove_leftovers,
    remove_other_weights,
    write_materialization,
)
from eccl.ledger.tombstones import require_no_pending_withdrawal
from eccl.modalities import CINE, ECG, MODALITY_OF_KIND
from eccl.training.backfill.missing_rows import MissingRows, find_missing_rows
from eccl.training.compute_features import (
    Tables,
    cine_features,
    cine_projections,
    recording_features,
    teacher_features,
)
from eccl.training.inputs.sources import open_source
from eccl.training.inputs.teacher import load_cines, order_vectors
from eccl.training.inputs.visits import Visits, visits_of
from eccl.training.loop.runtime import RuntimeConfig
from eccl.training.runs import Run, RunContext, load_context, load_run, run_name
from eccl.training.settings import TASKS
from eccl.training.stages import align, pretrain_cmr
from eccl.versioning.gate import GateStatus, require_passed_gate
from eccl.workspace import Workspace

MATERIALIZED = "materialized"
STAGES = (pretrain_cmr.STAGE, align.STAGE)  # in this order: a CMR encoder before the runs that were aligned with it
RUNS = tuple(run_name(stage, task) for stage in STAGES for task in TASKS)


@dataclass(frozen=True, slots=True)
class ViewCoverage:
    """Visits with a current slot, and how many of them have a row in a view, before and after."""

    view: str
    visits: int
    before: int
    after: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """Result of one run, or of its dry run.

    Parameters
    ----------
    trained_on, data_version
        Data version of the training, and the one in the workspace.
    was_covered
        Whether the run covered the latter before.
    added
        Rows by view; None where nothing was written.
    """

    run: str
    run_id: str
    trained_on: str
    data_version: str
    was_covered: bool
    added: Mapping[str, int] | None
    coverage: tuple[ViewCoverage, ...]


def choose_runs(workspace: Workspace, wanted: Sequence[str] = ()) -> list[str]:
    """Expand names (``align-I50``, ``align@I50``) and groups (``align``) to runs; nothing named is every finished run.

    Raises
    ------
    ConfigError
        A name is no run that writes features.
    WorkspaceError
        No run is finished.
    """
    names = {name.replace("@", "-", 1) for name in wanted}
    if "pretrain_ecg" in names:
        raise ConfigError(
            "pretrain_ecg writes no features, so there is nothing to materialize; name the runs that load its weights: align"
        )
    unknown = sorted(names - {*RUNS, *STAGES})
    if unknown:
        raise ConfigError(
            f"no run {', '.join(unknown)} with features; known are {', '.join(RUNS)}, and the groups {', '.join(STAGES)}"
        )
    groups = names or set(STAGES)
    finished = _finished(workspace)
    chosen = [run for run in RUNS if run in names or (run in finished and run.partition("-")[0] in groups)]
    if not chosen:
        raise WorkspaceError("no run with features is finished yet; run `eccl train` first")
    return chosen


def plan_materialization(workspace: Workspace, wanted: Sequence[str] = ()) -> list[Outcome]:
    """What :func:`materialize` would do; nothing is written and no network is built.

    Raises
    ------
    GateError, VersionError, FeatureError
        As :func:`materialize`.
    """
    version = require_passed_gate(workspace).data_version
    return [_report(missing) for missing in _plan(workspace, wanted, version)]


def materialize(
    workspace: Workspace,
    wanted: Sequence[str] = (),
    runtime: RuntimeConfig | None = None,
    on_run: Callable[[int, int], None] = lambda done, total: None,
) -> list[Outcome]:
    """Backfill runs for the data in the workspace, one folder each, behind the gate.

    Parameters
    ----------
    wanted
        Runs or groups, see :func:`choose_runs`.
    on_run
        Called after each run with the number of finished runs and of all.

    Raises
    ------
    LockedError
        Another process is writing.
    GateError
        The gate is missing, failed without an override, or belongs to other data.
    VersionError
        Weights are not those of their record, a run does not belong to this data, or its CMR encoder was trained again.
    FeatureError
        The features of a run are missing, or of another training.
    """
    with writing(workspace.state, "materialize"):
        require_no_pending_withdrawal(workspace)
        gate = require_passed_gate(workspace)
        _tidy(workspace)
        plan = _plan(workspace, wanted, gate.data_version)
        done: list[Outcome] = []
        on_run(0, len(plan))
        for missing in plan:
            done.append(_backfill(workspace, missing, gate, runtime or RuntimeConfig()))
            on_run(len(done), len(plan))
    return done


def _finished(workspace: Workspace) -> list[str]:
    return [run for run in RUNS if (workspace.run_folder(run) / "run.json").is_file()]


def _tidy(workspace: Workspace) -> None:
    """Remove files of killed writers, earlier trainings and other weights."""
    sweep(workspace.features / FOLDER)
    for name in _finished(workspace):
        run = load_run(workspace, name)
        remove_leftovers(workspace.features, name, run.run_id)
        remove_other_weights(workspace.features, name, run.run_id, run.record["weights_sha256"])


def _plan(workspace: Workspace, wanted: Sequence[str], version: str) -> list[MissingRows]:
    """Missing rows of the runs, each after those of the CMR encoder it needs."""
    found: dict[str, MissingRows] = {}
    for name in choose_runs(workspace, wanted):
        missing = _missing_rows(workspace, load_run(workspace, name), version)
        if missing.run.record["stage"] == align.STAGE and len(missing.positions("cine")):
            parent = _missing_rows(workspace, load_teacher_of(workspace, missing.run), version)
            if not parent.is_empty:
                found.setdefault(parent.name, parent)
        found[name] = missing
    return list(found.values())


def _missing_rows(workspace: Workspace, run: Run, version: str) -> MissingRows:
    run.weights()  # raises for other weights than the recorded ones before anything is computed, in a dry run too
    return find_missing_rows(workspace, run, version)


def _backfill(workspace: Workspace, missing: MissingRows, gate: GateStatus, config: RuntimeConfig) -> Outcome:
    if missing.is_empty and missing.is_covered:
        return _report(missing)
    name, version = missing.name, missing.data_version
    if (workspace.features / FOLDER / name / version).exists():
        raise VersionError(
            f"{name} covers data version {version} already, and visits have no row all the same: its files were changed by hand; "
            f"remove features/{FOLDER}/{name} and run `eccl materialize {name}` again"
        )
    tables = {} if missing.is_empty else compute_missing(workspace, missing, config)
    write_materialization(workspace.features, _record(missing, gate, tables), tables)
    left = find_missing_rows(workspace, missing.run, version)
    if not left.is_empty or not left.is_covered:
        raise ReconcileError(
            f"{name}: visits have no row after it was backfilled for {version}; expected none; report this"
        )
    return _report(missing, {view: table.num_rows for view, table in tables.items()})


def _record(missing: MissingRows, gate: GateStatus, tables: Tables) -> dict[str, Any]:
    visits = {view.view: view.visits for view in missing.views}
    return {
        "run": missing.name,
        "run_id": missing.run.run_id,
        "data_version": missing.data_version,
        "reason": MATERIALIZED,
        "gate": {"status": gate.status, "sha256": gate.sha256, "override": gate.override},
        "added": {view: table.num_rows for view, table in tables.items()},
        "visits_with_before": {view.view: view.visits - len(view.missing) for view in missing.views},
        "visits_with_after": visits,
        "visits": visits,
        "weights_sha256": missing.run.record["weights_sha256"],
        "code_version": __version__,
    }


def _report(missing: MissingRows, added: Mapping[str, int] | None = None) -> Outcome:
    coverage = [ViewCoverage(one.view, one.visits, one.visits - len(one.missing), one.visits) for one in missing.views]
    trained_on = str(missing.run.record["data_version"])
    names = missing.name, missing.run.run_id, trained_on, missing.data_version
    return Outcome(*names, missing.is_covered, added, tuple(coverage))


def compute_missing(workspace: Workspace, missing: MissingRows, config: RuntimeConfig) -> Tables:
    """Rows that the views of a run lack, by view, computed on one device."""
    compute = _cmr_tables if missing.run.record["stage"] == pretrain_cmr.STAGE else _aligned_tables
    tables = compute(workspace, missing, config)
    visits = {kind: visits_of(workspace.data, modality) for kind, modality in MODALITY_OF_KIND.items()}
    views = {view.view: view for view in missing.views}
    kept = {name: views[name].select_missing(table, visits[views[name].modality]) for name, table in tables.items()}
    return {name: table for name, table in kept.items() if len(table)}


def load_teacher_of(workspace: Workspace, aligned: Run) -> Run:
    """Load the CMR encoder that a run was aligned with.

    Raises
    ------
    VersionError
        It was trained again since.
    """
    name = run_name(pretrain_cmr.STAGE, aligned.record["task"])
    teacher = load_run(workspace, name)
    present = {key: teacher.record[key] for key in ("run", "run_id", "weights_sha256")}
    if present not in aligned.record["parents"]:
        aligned_name = str(aligned.record["run"])
        raise VersionError(
            f"{aligned_name} was aligned with another {name} than the one in models/, so cines have no position in its shared "
            f"space; restore the older one (`dvc checkout`), or run `{training_command(aligned_name)}` again"
        )
    return teacher


def _cmr_tables(workspace: Workspace, missing: MissingRows, config: RuntimeConfig) -> Tables:
    context = _of_version(load_context(missing.run, pretrain_cmr.rebuild, config), missing.data_version)
    cines = load_cines(workspace.data, context.runtime, context.config, missing.positions("cine"))
    return cine_features(context, cines.visits, teacher_features(context, cines))


def _aligned_tables(workspace: Workspace, missing: MissingRows, config: RuntimeConfig) -> Tables:
    context = _of_version(load_context(missing.run, align.rebuild, config), missing.data_version)
    tables: Tables = {}
    recordings = visits_of(workspace.data, ECG).take(missing.positions("ecg"))
    if len(recordings):
        ecg = open_source(workspace.data, ECG.model_array, recordings.row, context.runtime)
        tables |= recording_features(context, recordings, ecg)
    cines = visits_of(workspace.data, CINE).take(missing.positions("cine"))
    if len(cines):
        clean = _stored_features(workspace, load_teacher_of(workspace, missing.run), cines).to(context.runtime.device)
        tables |= cine_projections(context, cines, lambda batch: clean[torch.from_numpy(batch)])
    return tables


def _of_version(context: RunContext[Any, Any], data_version: str) -> RunContext[Any, Any]:
    """The run, for rows of another data version."""
    return replace(context, identity=replace(context.identity, data_version=data_version))


def _stored_features(workspace: Workspace, teacher: Run, cines: Visits) -> torch.Tensor:
    """(cines, d) features of the clean view, from the store; the teacher is backfilled first."""
    columns = ["eid", "instance", "array_row", "vector"]
    rows = read_all_features(workspace.features, "cmr_embedding", str(teacher.record["run"]), columns)
    current = rows.filter(np.isin(rows.column("array_row").to_numpy(), cines.row))
    return torch.from_numpy(order_vectors(current, cines))
