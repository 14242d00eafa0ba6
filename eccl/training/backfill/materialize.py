"""Features of visits that were ingested after a run was trained: its network describes them, nothing is trained.

::

    materialize(workspace, names)
      each run, CMR encoders before what was aligned with them:
        backlog ─ network, configuration and scaler from run.json and weights ─ describe ─ one folder, written whole

Everything that decides a value comes from the run itself; params.yaml is not read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eccl import __version__
from eccl.data.files import sweep
from eccl.data.lock import writing
from eccl.errors import ConfigError, ReconcileError, VersionError, WorkspaceError
from eccl.features.materialized import FOLDER, remove_leftovers, remove_other_weights, write_materialization
from eccl.ledger.tombstones import require_no_pending_withdrawal
from eccl.training.backfill.compute_rows import complete, load_teacher_of
from eccl.training.backfill.missing_rows import Backlog, find_backlog
from eccl.training.loop.runtime import RuntimeConfig
from eccl.training.outputs.compute_features import Tables
from eccl.training.runs import Run, load_run, run_name
from eccl.training.settings.config import TASKS
from eccl.training.stages import align, pretrain_cmr
from eccl.versioning.gate import GateStatus, require_passed_gate
from eccl.workspace import Workspace

MATERIALIZED = "materialized"
STAGES = (pretrain_cmr.STAGE, align.STAGE)  # in this order: a CMR encoder goes before what was aligned with it
RUNS = tuple(run_name(stage, task) for stage in STAGES for task in TASKS)


@dataclass(frozen=True, slots=True)
class ViewCoverage:
    """Visits with a current slot, and how many of them a view describes, before and after."""

    view: str
    visits: int
    before: int
    after: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one run, or would.

    Parameters
    ----------
    trained_on, data_version
        Data version of the training, and the one in the workspace.
    was_covered
        Whether the run's rows held for the latter before.
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
            "pretrain_ecg writes no features, so there is nothing to materialize; name what starts from it: align"
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
    return [_report(backlog) for backlog in _plan(workspace, wanted, version)]


def materialize(
    workspace: Workspace,
    wanted: Sequence[str] = (),
    runtime: RuntimeConfig | None = None,
    on_run: Callable[[int, int], None] = lambda done, total: None,
) -> list[Outcome]:
    """Bring runs up to the data in the workspace, one folder each, behind the gate.

    Parameters
    ----------
    wanted
        Runs or groups, see :func:`choose_runs`.
    on_run
        Hears after each run how many are done, and of how many.

    Raises
    ------
    LockedError
        Somebody else is writing.
    GateError
        The gate is missing, failed without an override, or belongs to other data.
    VersionError
        Weights are not those of their record, a run does not belong to this data, or its CMR encoder was trained anew.
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
        for backlog in plan:
            done.append(_bring_up(workspace, backlog, gate, runtime or RuntimeConfig()))
            on_run(len(done), len(plan))
    return done


def _finished(workspace: Workspace) -> list[str]:
    return [run for run in RUNS if (workspace.run_folder(run) / "run.json").is_file()]


def _tidy(workspace: Workspace) -> None:
    """Remove what killed writers, earlier trainings and other weights left."""
    sweep(workspace.features / FOLDER)
    for name in _finished(workspace):
        run = load_run(workspace, name)
        remove_leftovers(workspace.features, name, run.run_id)
        remove_other_weights(workspace.features, name, run.run_id, run.record["weights_sha256"])


def _plan(workspace: Workspace, wanted: Sequence[str], version: str) -> list[Backlog]:
    """Backlogs of the runs, each after that of the CMR encoder it needs."""
    found: dict[str, Backlog] = {}
    for name in choose_runs(workspace, wanted):
        backlog = _backlog(workspace, load_run(workspace, name), version)
        if backlog.run.record["stage"] == align.STAGE and len(backlog.lacking("cine")):
            parent = _backlog(workspace, load_teacher_of(workspace, backlog.run), version)
            if not parent.is_empty:
                found.setdefault(parent.name, parent)
        found[name] = backlog
    return list(found.values())


def _backlog(workspace: Workspace, run: Run, version: str) -> Backlog:
    run.weights()  # refuses other weights than those recorded before anything is computed, in a dry run too
    return find_backlog(workspace, run, version)


def _bring_up(workspace: Workspace, backlog: Backlog, gate: GateStatus, config: RuntimeConfig) -> Outcome:
    if backlog.is_empty and backlog.is_covered:
        return _report(backlog)
    name, version = backlog.name, backlog.data_version
    if (workspace.features / FOLDER / name / version).exists():
        raise VersionError(
            f"{name} covers data version {version} already, and visits have no row all the same: its files were changed by hand; "
            f"remove features/{FOLDER}/{name} and run `eccl materialize {name}` again"
        )
    tables = {} if backlog.is_empty else complete(workspace, backlog, config)
    write_materialization(workspace.features, _record(backlog, gate, tables), tables)
    left = find_backlog(workspace, backlog.run, version)
    if not left.is_empty or not left.is_covered:
        raise ReconcileError(
            f"{name}: visits have no row after it was brought up to {version}; expected none; report this"
        )
    return _report(backlog, {view: table.num_rows for view, table in tables.items()})


def _record(backlog: Backlog, gate: GateStatus, tables: Tables) -> dict[str, Any]:
    visits = {view.view: view.visits for view in backlog.views}
    return {
        "run": backlog.name,
        "run_id": backlog.run.run_id,
        "data_version": backlog.data_version,
        "reason": MATERIALIZED,
        "gate": {"status": gate.status, "sha256": gate.sha256, "override": gate.override},
        "added": {view: table.num_rows for view, table in tables.items()},
        "visits_with_before": {view.view: view.visits - len(view.lacking) for view in backlog.views},
        "visits_with_after": visits,
        "visits": visits,
        "weights_sha256": backlog.run.record["weights_sha256"],
        "code_version": __version__,
    }


def _report(backlog: Backlog, added: Mapping[str, int] | None = None) -> Outcome:
    coverage = [ViewCoverage(one.view, one.visits, one.visits - len(one.lacking), one.visits) for one in backlog.views]
    trained_on = str(backlog.run.record["data_version"])
    names = backlog.name, backlog.run.run_id, trained_on, backlog.data_version
    return Outcome(*names, backlog.is_covered, added, tuple(coverage))
