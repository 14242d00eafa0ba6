"""The rows that a finished run lacks, from its own record and weights alone; params.yaml is not read."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import torch

from eccl.data.run_names import training_command
from eccl.errors import VersionError
from eccl.features.materialized import read_all_features
from eccl.modalities import ECG, MODALITY_OF_KIND
from eccl.training.backfill.missing_rows import Backlog, current_visits
from eccl.training.inputs.sources import open_source
from eccl.training.inputs.teacher import load_cines, order_vectors
from eccl.training.inputs.visits import Visits
from eccl.training.loop.frozen import FrozenEncoder
from eccl.training.loop.runtime import Runtime, RuntimeConfig
from eccl.training.outputs.compute_features import (
    Tables,
    describe_cines,
    describe_recordings,
    look_at_cines,
    project_cines,
    scaler_of,
)
from eccl.training.runs import Run, RunIdentity, load_run, run_name
from eccl.training.stages import align, pretrain_cmr
from eccl.workspace import Workspace


def complete(workspace: Workspace, backlog: Backlog, config: RuntimeConfig) -> Tables:
    """Rows that the views of a run lack, by view.

    Parameters
    ----------
    config
        Where to compute; one device is used. Precision ``auto`` is the one the run was trained in.
    """
    run, data = backlog.run, workspace.data
    if config.precision == "auto":  # old and new rows are compared with each other: what computed the old ones goes on
        config = replace(config, precision=run.record["runtime"]["precision"])
    runtime = Runtime(replace(config, devices=1))
    identity = _identity(run, backlog.data_version)
    describe = _describe_cmr if run.record["stage"] == pretrain_cmr.STAGE else _describe_aligned
    tables = describe(workspace, backlog, identity, runtime)
    visits = {modality: current_visits(data, modality) for modality in MODALITY_OF_KIND}
    views = {view.view: view for view in backlog.views}
    kept = {name: views[name].keep_lacking(table, visits[views[name].modality]) for name, table in tables.items()}
    return {name: table for name, table in kept.items() if len(table)}


def _describe_cmr(workspace: Workspace, backlog: Backlog, identity: RunIdentity, runtime: Runtime) -> Tables:
    network, config = pretrain_cmr.rebuild(backlog.run)
    network.to(runtime.device)
    cines = load_cines(workspace.data, runtime, config, backlog.lacking("cine"))
    clean = look_at_cines(FrozenEncoder(network.encoder), cines, config, runtime)
    return describe_cines(network, cines.visits, clean, identity, scaler_of(backlog.run), runtime)


def _describe_aligned(workspace: Workspace, backlog: Backlog, identity: RunIdentity, runtime: Runtime) -> Tables:
    network, config = align.rebuild(backlog.run)
    network.to(runtime.device)
    tables: Tables = {}
    recordings = current_visits(workspace.data, "ecg").take(backlog.lacking("ecg"))
    if len(recordings):
        ecg = open_source(workspace.data, ECG.model_array, recordings.row, runtime)
        scaler = scaler_of(backlog.run)
        tables |= describe_recordings(network, recordings, ecg, config, identity, scaler, runtime)
    cines = current_visits(workspace.data, "cine").take(backlog.lacking("cine"))
    if len(cines):
        clean = _teacher_features(workspace, load_teacher_of(workspace, backlog.run), cines).to(runtime.device)
        tables |= project_cines(network, cines, lambda batch: clean[torch.from_numpy(batch)], config, identity)
    return tables


def load_teacher_of(workspace: Workspace, aligned: Run) -> Run:
    """The CMR encoder that a run was aligned with.

    Raises
    ------
    VersionError
        It was trained anew since.
    """
    name = run_name(pretrain_cmr.STAGE, aligned.record["task"])
    teacher = load_run(workspace, name)
    mine = {key: teacher.record[key] for key in ("run", "run_id", "weights_sha256")}
    if mine not in aligned.record["parents"]:
        aligned_name = str(aligned.record["run"])
        raise VersionError(
            f"{aligned_name} was aligned with another {name} than the one in models/: its cines have no place in that space. Bring "
            f"the older one back (`dvc checkout`), or run `{training_command(aligned_name)}` again"
        )
    return teacher


def _teacher_features(workspace: Workspace, teacher: Run, cines: Visits) -> torch.Tensor:
    """(cines, d) features of the clean view, from the store; the teacher was brought up before."""
    columns = ["eid", "instance", "array_row", "vector"]
    rows = read_all_features(workspace.features, "cmr_embedding", str(teacher.record["run"]), columns)
    current = rows.filter(np.isin(rows.column("array_row").to_numpy(), cines.row))
    return torch.from_numpy(order_vectors(current, cines))


def _identity(run: Run, data_version: str) -> RunIdentity:
    """The run's identity, for rows of another data version."""
    known = {field.name: run.record[field.name] for field in fields(RunIdentity) if field.name in run.record}
    return replace(RunIdentity(**known), data_version=data_version)
