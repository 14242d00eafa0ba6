"""Feature files: the values of a run for every visit, written once by a stage.

::

    features/<view>/<run>.parquet    eid, instance, split, run_id, data_version, array_row, and the view's own columns
"""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from eccl.data.files import TEMPORARY_PREFIX
from eccl.data.parts import write_parquet
from eccl.data.run_records import training_command
from eccl.errors import FeatureError, SchemaError
from eccl.features.views import KEYS, declared_view


def write_features(features: Path, view: str, run: str, table: pa.Table) -> Path:
    """Write one run's rows of a view, sorted by visit, with deterministic bytes.

    Raises
    ------
    FeatureError
        The view is not declared.
    SchemaError
        The columns are not those of the view.
    """
    path = features / view / f"{run}.parquet"
    write_parquet(arrange(view, table, [*KEYS, *declared_view(view).own_columns]), path)
    return path


def arrange(view: str, table: pa.Table, columns: list[str]) -> pa.Table:
    """Put the columns and rows of a view in the order of its files.

    Raises
    ------
    SchemaError
        The table has other columns.
    """
    if set(table.column_names) != set(columns):
        raise SchemaError(f"view {view} has columns {sorted(columns)}, found {sorted(table.column_names)}")
    key = declared_view(view).key
    return table.select(columns).sort_by([(name, "ascending") for name in ("eid", "instance", key) if name])


def read_features(features: Path, view: str, run: str, columns: list[str] | None = None) -> pa.Table:
    """Read one run's rows of a view.

    Raises
    ------
    FeatureError
        The view is not declared, or the run has not written it.
    """
    declared_view(view)
    path = features / view / f"{run}.parquet"
    if not path.is_file():
        found = ", ".join(runs_of(features, view)) or "none"
        raise FeatureError(f"view {view} has no run {run} (found: {found}); run `{training_command(run)}`")
    return pq.read_table(path, columns=columns)


def runs_of(features: Path, view: str) -> list[str]:
    """Runs that have written a view, sorted."""
    files = (features / view).glob("*.parquet")
    return sorted(file.stem for file in files if not file.name.startswith(TEMPORARY_PREFIX))
