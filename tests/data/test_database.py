from __future__ import annotations

from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

import eccl
from eccl.data import database
from eccl.data.parts import part_path, read_table, write_parquet
from eccl.errors import SchemaError, WorkspaceError
from eccl.publishing.build import REPORT_TABLES
from eccl.quality.frames import open_tables
from eccl.workspace import Workspace, shipped

ALL_TABLES = sorted(path.stem for path in (shipped("schemas") / "tables").glob("*.sql"))


@pytest.mark.parametrize("table", ALL_TABLES)
def test_every_table_and_column_has_a_comment(table: str) -> None:
    connection = database.memory()
    database.create_tables(connection, [table])
    assert connection.execute("SELECT count(*) FROM duckdb_tables() WHERE comment IS NULL").fetchall() == [(0,)]
    missing = connection.execute(
        "SELECT column_name FROM duckdb_columns() WHERE comment IS NULL AND NOT internal"
    ).fetchall()
    assert missing == []


def test_cohort_tables_are_the_schemas_under_data() -> None:
    published = {"runs", "slots", "data_versions", "validation_results", "release", "materializations", "withdrawals"}
    registry = {"feature_views", "feature_fields", "label_definitions"}
    assert set(database.COHORT_TABLES) | published | registry | set(REPORT_TABLES) == set(ALL_TABLES)
    assert set(database.SORT_KEYS) == set(database.COHORT_TABLES)


def test_rows_are_cast_sorted_and_written_once(tmp_path: Path) -> None:
    rows = pa.table({"bucket": [0.5, 0.1], "split": ["val", "train"], "eid": [9_000_002, 9_000_001]})
    assert database.write_table(tmp_path, "splits", rows)
    assert not database.write_table(tmp_path, "splits", rows)
    connection = database.connect_data(Workspace(tmp_path), ["splits"])
    assert connection.sql("FROM splits").fetchall() == []  # the workspace keeps tables in data/, not here
    found = duckdb.sql(f"FROM '{tmp_path}/tables/splits.parquet'").fetchall()
    assert found == [(9_000_001, "train", 0.1), (9_000_002, "val", 0.5)]


def test_the_error_for_a_wrong_table_quotes_no_value(tmp_path: Path) -> None:
    twice = pa.table({"eid": [9_000_001, 9_000_001], "split": ["val", "train"], "bucket": [0.5, 0.1]})
    with pytest.raises(SchemaError, match="ConstraintException") as caught:
        database.write_table(tmp_path, "splits", twice)
    assert "9000001" not in str(caught.value)
    with pytest.raises(SchemaError, match=r"unknown columns: \['colour'\]"):
        database.write_table(tmp_path, "splits", twice.append_column("colour", pa.array(["red", "blue"])))


@pytest.mark.parametrize("names", [("analysis", "analysis"), ("analysis", "software_version")])
def test_renamed_columns_of_older_parts_are_read_under_their_present_name(
    tmp_path: Path, names: tuple[str, str]
) -> None:
    place = Workspace(tmp_path)
    for row, name in enumerate(names):
        part = pa.table({"eid": [9_000_001 + row], "instance": [2], "row": [row], name: [f"V2{row}"]})
        write_parquet(part, part_path(place.data, "recordings", row))
    assert read_table(place.data, "recordings")["software_version"].to_pylist() == ["V20", "V21"]
    assert read_table(place.data, "recordings", ["software_version"]).to_pydict() == {
        "software_version": ["V20", "V21"]
    }
    connection = open_tables(place)
    assert connection.sql('SELECT software_version FROM recordings ORDER BY "row"').fetchall() == [("V20",), ("V21",)]
    assert "analysis" not in connection.sql("FROM recordings").columns


def test_open_store_names_the_command_when_nothing_is_published(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("preset: demo\n")
    with pytest.raises(WorkspaceError, match="eccl publish"):
        eccl.open(tmp_path)
