"""Features against their run, the view's declaration, and the cohort: one pass over every file, in batches.

A feature row is right where its vector has the length and norm that its run declares and only finite numbers, its
probability is one and agrees with its logit, its visit exists and is in the split it says, and its slot is that visit's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from eccl.data.files import TEMPORARY_PREFIX
from eccl.data.parts import TABLE_OF_MODALITY, read_files, read_table, table_files
from eccl.data.run_names import task_of, training_command
from eccl.data.run_records import run_records
from eccl.errors import ChecksumError
from eccl.features.files import runs_of
from eccl.features.materialized import FOLDER, is_covered, list_materializations
from eccl.features.views import KEYS, FeatureView, computed_views, declared_views
from eccl.quality.product.findings import Finding, Node, count_of, critical, note, warning
from eccl.quality.product.models import renewal
from eccl.workspace import Workspace

BATCH = 16_384
NORM_TOLERANCE = 1e-3
LOGIT_TOLERANCE = 1e-4
ALL_TASKS = "all"
"""Task of a run that predicts every disease."""
_INSTANCES = 256
"""A visit as one number: eid * 256 + instance."""

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Cohort:
    """What the tables say of visits, as sorted arrays to look up in.

    Parameters
    ----------
    visits
        Visits of the tables.
    split_eids, splits
        Participants, and the split of each.
    slots
        By modality: slots, and the visit of each.
    fields
        Fields that are traits.
    codes
        Diseases that have labels.
    """

    visits: Ints
    split_eids: Ints
    splits: NDArray[np.str_]
    slots: Mapping[str, tuple[Ints, Ints]]
    fields: Ints
    codes: NDArray[np.str_]


@dataclass(slots=True)
class Seen:
    """What was counted in the files of one run and view."""

    rows: int = 0
    wrong: Counter[str] = field(default_factory=Counter)
    lengths: set[int] = field(default_factory=set)
    run_ids: Counter[str] = field(default_factory=Counter)
    keys: list[Ints] = field(default_factory=list)


def check_features(workspace: Workspace, version: str) -> Node:
    """Check every file of every computed view."""
    records = {record["run"]: record for record in _records(workspace)}
    cohort = _read_cohort(workspace.data)
    nodes = []
    for view in computed_views():
        runs = runs_of(workspace.features, view.name)
        children = tuple(_check_run(workspace, view, run, records.get(run), cohort, version) for run in runs)
        if children:
            nodes.append(Node(view.name, count_of(len(children), "run"), (), children))
    rows = sum(int(child.count.partition(" ")[0].replace(",", "") or 0) for node in nodes for child in node.children)
    return Node("features", count_of(rows, "row"), tuple(_strangers(workspace)), tuple(nodes))


def _check_run(
    workspace: Workspace, view: FeatureView, run: str, record: Mapping[str, Any] | None, cohort: Cohort, version: str
) -> Node:
    seen = Seen()
    again = f"run `{training_command(run)}`"
    try:
        for batch in _batches(workspace.features, view, run, record):
            _look_at(batch, view, run, cohort, seen)
    except (OSError, ChecksumError, pa.ArrowInvalid, KeyError) as error:
        damaged = critical(f"a file cannot be read ({type(error).__name__})", f"run `dvc checkout --force`, or {again}")
        return Node(run, "0 rows", (damaged,))
    findings = [critical(f"{number:,} of {seen.rows:,} rows {what}", again) for what, number in seen.wrong.items()]
    findings += _check_lengths(view, seen, record, again)
    if doubled := _doubled(seen):
        findings.append(
            critical(f"{count_of(doubled, 'row')} more than one per visit, slot and {view.key or 'run'}", again)
        )
    findings += _check_record(workspace, run, record, seen, version, again)
    length = f", {min(seen.lengths)} numbers each" if len(seen.lengths) == 1 else ""
    return Node(run, f"{count_of(seen.rows, 'row')}{length}", tuple(findings))


def _check_record(
    workspace: Workspace, run: str, record: Mapping[str, Any] | None, seen: Seen, version: str, again: str
) -> Iterator[Finding]:
    if record is None:
        yield critical(
            "features of a run that is not there: no run.json says how they were made", f"{again}, or delete the file"
        )
        return
    foreign = sum(number for run_id, number in seen.run_ids.items() if run_id != record["run_id"])
    if foreign:
        yield critical(f"{count_of(foreign, 'row')} of another training than models/{run} records", again)
    if not is_covered(workspace.features, run, record["run_id"], record["data_version"], version):
        what = f"stale: computed on data version {record['data_version']}, the workspace holds {version}"
        yield warning(what, renewal(run))


def _check_lengths(view: FeatureView, seen: Seen, record: Mapping[str, Any] | None, again: str) -> list[Finding]:
    if not view.is_vector or not seen.rows:
        return []
    if len(seen.lengths) != 1:
        return [critical(f"vectors of {len(seen.lengths)} different lengths in one run", again)]
    declared = declared_length(view.name, record or {})
    [length] = seen.lengths
    if declared not in {None, length}:
        return [critical(f"vectors of {length} numbers; the run declares {declared}", again)]
    return []


def declared_length(view: str, record: Mapping[str, Any]) -> int | None:
    """Length of a view's vectors as run.json declares it; None where it does not say."""
    params = record.get("params") or {}
    if view.endswith("_projection"):
        found = ((params.get("config") or {}).get("alignment") or {}).get("projection_width")
    elif view == "ecg_embedding":
        found = (params.get("encoder") or {}).get("width")
    else:
        found = None
    return None if found is None else int(found)


def _batches(features: Path, view: FeatureView, run: str, record: Mapping[str, Any] | None) -> Iterator[pa.RecordBatch]:
    later = list_materializations(features, run, record["run_id"]) if record else []
    extra = [one.folder / f"{view.name}.parquet" for one in later]
    for file in [features / view.name / f"{run}.parquet", *(one for one in extra if one.is_file())]:
        yield from pq.ParquetFile(file).iter_batches(BATCH)


def _look_at(batch: pa.RecordBatch, view: FeatureView, run: str, cohort: Cohort, seen: Seen) -> None:
    missing = {*KEYS, *view.own_columns} - set(batch.schema.names)
    if missing:
        raise KeyError(", ".join(sorted(missing)))
    seen.rows += batch.num_rows
    seen.run_ids.update(batch.column("run_id").to_pylist())
    _look_at_keys(batch, view, cohort, seen)
    if view.is_vector:
        _look_at_vectors(batch.column("vector"), view, seen)
    if "probability" in view.own_columns:
        _look_at_probabilities(batch, seen)
    if "value" in view.own_columns:
        _count(seen, "have a value that is no finite number", ~np.isfinite(_floats(batch.column("value"))))
    if view.key == "code":
        codes, task = _texts(batch.column("code")), task_of(run)
        is_wrong = ~np.isin(codes, cohort.codes) if task == ALL_TASKS else codes != task
        _count(seen, "are about another disease than the run's", is_wrong)
    if view.key == "field_id":
        _count(seen, "are about a field that is no trait", ~_among(_ints(batch.column("field_id")), cohort.fields))


def _look_at_keys(batch: pa.RecordBatch, view: FeatureView, cohort: Cohort, seen: Seen) -> None:
    eids, slots = _ints(batch.column("eid")), _ints(batch.column("array_row"))
    visits = eids * _INSTANCES + _ints(batch.column("instance"))
    _count(seen, "are of a visit that is not in the tables", ~_among(visits, cohort.visits))
    known = _among(eids, cohort.split_eids)
    place = np.searchsorted(cohort.split_eids, eids[known])
    _count(seen, "are of a participant who is not in the splits", ~known)
    _count(
        seen, "have another split than their participant", _texts(batch.column("split"))[known] != cohort.splits[place]
    )
    rows, owners = cohort.slots[str(view.modality)]
    held = _among(slots, rows)
    owner = owners[np.searchsorted(rows, slots[held])]
    _count(seen, "were computed from a slot that is not committed", ~held)
    _count(seen, "were computed from a slot of another visit", owner != visits[held])
    seen.keys.append(np.stack([visits, slots, _numbers(batch.column(view.key)) if view.key else 0 * slots]))


def _look_at_vectors(column: pa.Array, view: FeatureView, seen: Seen) -> None:
    flat = np.asarray(column.flatten(), dtype=np.float32)
    if pa.types.is_fixed_size_list(column.type):
        lengths = {int(column.type.list_size)}
    else:
        lengths = {int(length) for length in column.value_lengths().unique().to_pylist() if length is not None}
    seen.lengths |= lengths
    if len(lengths) != 1 or column.null_count or len(flat) != len(column) * min(lengths):
        _count(seen, "have no vector", np.asarray(column.is_null()))
        return
    vectors = flat.reshape(len(column), -1)  # (row, length)
    finite = np.isfinite(vectors).all(axis=1)
    _count(seen, "have a vector with numbers that are not finite", ~finite)
    if view.name.endswith("_projection"):
        off = np.abs(np.linalg.norm(vectors[finite], axis=1) - 1) > NORM_TOLERANCE
        _count(seen, f"have a projection whose norm is not 1 within {NORM_TOLERANCE:g}", off)
    else:
        _count(seen, "have a vector of nothing but zeros", ~vectors[finite].any(axis=1))


def _look_at_probabilities(batch: pa.RecordBatch, seen: Seen) -> None:
    chance, logit = _floats(batch.column("probability")), _floats(batch.column("logit"))
    inside = (chance >= 0) & (chance <= 1)
    _count(seen, "have a probability outside [0, 1]", ~inside)
    told = 1 / (1 + np.exp(-np.clip(logit[inside], -700, 700)))
    agrees = np.abs(told - chance[inside]) <= LOGIT_TOLERANCE
    _count(seen, "have a logit that is not that of their probability", ~agrees)


def _count(seen: Seen, what: str, wrong: Any) -> None:
    if number := int(np.count_nonzero(wrong)):
        seen.wrong[what] += number


def _doubled(seen: Seen) -> int:
    if not seen.keys:
        return 0
    keys = np.concatenate(seen.keys, axis=1)  # (3, row)
    ordered = keys[:, np.lexsort(keys)]
    return int(np.count_nonzero((ordered[:, 1:] == ordered[:, :-1]).all(axis=0)))


def _strangers(workspace: Workspace) -> Iterator[Finding]:
    folder = workspace.features
    if not folder.is_dir():
        return
    known = {*declared_views(), FOLDER}
    others = [
        path
        for path in folder.iterdir()
        if path.name not in known and not path.name.startswith((".", TEMPORARY_PREFIX))
    ]
    if others:
        yield warning(
            f"{count_of(len(others), 'folder')} in features/ of no declared view", "move them away, or declare the view"
        )
    run_ids = {record["run"]: record["run_id"] for record in _records(workspace)}
    old = 0
    for run in sorted(path for path in (folder / FOLDER).glob("*") if path.is_dir()):
        there = len(list(run.glob("*/record.json")))
        old += there - len(list_materializations(folder, run.name, run_ids.get(run.name, "")))
    if old:
        yield note(
            f"{count_of(old, 'materialization')} of earlier trainings", "harmless; `eccl materialize RUN` removes them"
        )


def _records(workspace: Workspace) -> Iterator[dict[str, Any]]:
    try:
        yield from run_records(workspace.models)
    except (OSError, ValueError):
        return  # told where models are checked


def _read_cohort(data: Path) -> Cohort:
    def table(name: str, columns: list[str]) -> pa.Table:
        if not table_files(data, name):
            return pa.table({column: pa.array([], pa.int64()) for column in columns})
        if name in TABLE_OF_MODALITY.values():  # superseded slots keep their features
            return read_files(table_files(data, name), columns)
        return read_table(data, name, columns)

    splits = table("splits", ["eid", "split"]).sort_by("eid")
    slots = {}
    for modality, name in TABLE_OF_MODALITY.items():
        rows = table(name, ["row", "eid", "instance"]).sort_by("row")
        slots[modality] = (_ints(rows.column("row")), _visits(rows))
    fields = table("fields", ["field_id", "trait_index"])
    traits = _ints(fields.column("field_id"))[np.asarray(fields.column("trait_index").is_valid())]
    return Cohort(
        visits=np.unique(_visits(table("visits", ["eid", "instance"]))),
        split_eids=_ints(splits.column("eid")),
        splits=_texts(splits.column("split")),
        slots=slots,
        fields=np.unique(traits),
        codes=np.unique(_texts(table("labels", ["code"]).column("code"))),
    )


def _visits(rows: pa.Table) -> Ints:
    visits: Ints = _ints(rows.column("eid")) * _INSTANCES + _ints(rows.column("instance"))
    return visits


def _ints(column: Any) -> Ints:
    return np.asarray(column, dtype=np.int64)


def _numbers(column: Any) -> Ints:
    """Keys as numbers: equal ones are equal."""
    if pa.types.is_integer(column.type):
        return _ints(column)
    return np.asarray([hash(key) for key in column.to_pylist()], dtype=np.int64)


def _floats(column: Any) -> NDArray[np.float64]:
    return np.asarray(column, dtype=np.float64)


def _texts(column: Any) -> NDArray[np.str_]:
    return np.asarray(column.to_pylist(), dtype=np.str_)


def _among(values: Ints, known: Ints) -> NDArray[np.bool_]:
    """Which values are among sorted ones."""
    if not len(known):
        return np.zeros(len(values), dtype=bool)
    place = np.minimum(np.searchsorted(known, values), len(known) - 1)
    found: NDArray[np.bool_] = known[place] == values
    return found
