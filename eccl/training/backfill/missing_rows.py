"""Missing rows of a finished run: visits from whose current slot no row of a view was computed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from eccl.data.parts import table_files
from eccl.data.run_records import training_command
from eccl.errors import FeatureError, VersionError
from eccl.features.materialized import is_covered, read_all_features
from eccl.features.views import FeatureView, computed_views
from eccl.modalities import MODALITIES
from eccl.training.inputs.sampling import Positions
from eccl.training.inputs.targets import TRAITS
from eccl.training.inputs.visits import Visits, visits_of
from eccl.training.runs import Run
from eccl.training.settings import ALL
from eccl.workspace import Workspace


@dataclass(frozen=True, slots=True)
class MissingInView:
    """Missing rows of one view of a run.

    Parameters
    ----------
    modality
        ``ecg`` or ``cine``.
    visits
        Visits with a current slot of that modality.
    missing
        Positions among them without a row.
    """

    view: str
    modality: str
    visits: int
    missing: Positions

    def select_missing(self, table: pa.Table, visits: Visits) -> pa.Table:
        """Rows of visits that this view lacks; views of one modality may differ."""
        return table.filter(np.isin(table.column("array_row").to_numpy(), visits.row[self.missing]))


@dataclass(frozen=True, slots=True)
class MissingRows:
    """Missing rows of a run for the data in the workspace.

    Parameters
    ----------
    is_covered
        Whether the run was trained on this data version, or backfilled for it before.
    """

    run: Run
    data_version: str
    is_covered: bool
    views: tuple[MissingInView, ...]

    @property
    def name(self) -> str:
        """Name of the run."""
        return str(self.run.record["run"])

    def positions(self, modality: str) -> Positions:
        """Positions of visits that at least one view of a modality lacks."""
        every = [view.missing for view in self.views if view.modality == modality]
        return np.unique(np.concatenate([np.empty(0, dtype=np.int64), *every]))

    @property
    def is_empty(self) -> bool:
        """Whether every visit has its rows."""
        return not any(len(view.missing) for view in self.views)


def find_missing_rows(workspace: Workspace, run: Run, data_version: str) -> MissingRows:
    """Compare a run's rows with the visits of the workspace.

    Raises
    ------
    FeatureError
        A view of the run is missing, or its rows are of another training.
    VersionError
        A row was computed from a slot that is not in the data, or is another visit's there.
    """
    record = run.record
    visits = {one.kind: visits_of(workspace.data, one) for one in MODALITIES}
    slots = {one.kind: _known_slots(workspace.data, one.table) for one in MODALITIES}
    found = []
    for view in views_of(run):
        modality = str(view.modality)
        rows = _rows(workspace.features, view.name, run)
        _check_slots(str(record["run"]), rows, slots[modality])
        has_row = np.isin(visits[modality].row, rows.column("array_row").to_numpy())
        # A task without any value in the train split has no predictions, neither for old visits nor for new ones.
        missing = np.flatnonzero(~has_row) if len(rows) else np.empty(0, dtype=np.int64)
        found.append(MissingInView(view.name, modality, len(visits[modality]), missing))
    covered = is_covered(workspace.features, record["run"], run.run_id, record["data_version"], data_version)
    return MissingRows(run, data_version, covered, tuple(found))


def views_of(run: Run) -> list[FeatureView]:
    """Views that a run writes and that are backfilled.

    The teacher cache is not: only training reads it, under a key that contains the data version. An alignment without a
    teacher has no projections, and a probe has predictions alone, in the views of the alignment it builds on.
    """
    record = run.record
    stage, task = record["stage"], record["task"]
    keys = {None: set[str](), TRAITS: {"field_id"}, ALL: {"field_id", "code"}}.get(task, {"code"})
    own = [view for view in computed_views() if view.stage == ("align" if stage == "probe" else stage)]
    vectors = [view for view in own if view.key is None and stage != "probe"]
    if stage == "align" and record["teacher_dim"] is None:
        vectors = [view for view in vectors if not view.name.endswith("_projection")]
    return [*vectors, *(view for view in own if view.key in keys and not view.is_cache)]


def _rows(features: Path, view: str, run: Run) -> pa.Table:
    rows = read_all_features(features, view, str(run.record["run"]), ["eid", "instance", "array_row", "run_id"])
    if set(rows.column("run_id").unique().to_pylist()) - {run.run_id}:
        raise FeatureError(
            f"the rows of view {view} are of another training of {run.record['run']} than its model; run `dvc checkout`, or "
            f"`{training_command(str(run.record['run']))}` again"
        )
    return rows


def _known_slots(data: Path, table: str) -> pa.Table:
    """Every committed slot with its visit, superseded ones too, sorted by slot."""
    files = table_files(data, table)
    columns = ["row", "eid", "instance"]
    return pa.concat_tables([pq.read_table(file, columns=columns) for file in files]).sort_by("row")


def _check_slots(run: str, rows: pa.Table, slots: pa.Table) -> None:
    if not len(rows):
        return
    known = slots.column("row").to_numpy()
    slot = rows.column("array_row").to_numpy()
    place = np.searchsorted(known, slot).clip(max=len(known) - 1)
    is_same = known[place] == slot
    for name in ("eid", "instance"):
        is_same &= slots.column(name).to_numpy()[place] == rows.column(name).to_numpy()
    strange = len(np.unique(slot[~is_same]))
    if strange:
        raise VersionError(
            f"{strange} slots that {run} computed rows from are not in this data, or are another visit's there; expected data that "
            f"only grew since. Restore the data it belongs to (`eccl versions`), or run `{training_command(run)}`"
        )
