"""Declarations: complete, readable by SQL, and an error for wrong ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from eccl.errors import ConfigError, FeatureError
from eccl.features import views as feature_views
from eccl.features.store import FeatureStore
from eccl.features.views import declared_view, declared_views, label_definitions


def test_the_registry_contains_what_is_declared(store: FeatureStore) -> None:
    rows = {row["feature_view"]: row for row in store.sql("FROM feature_views").pl().iter_rows(named=True)}
    assert list(rows) == list(declared_views())
    for name, view in declared_views().items():
        assert (rows[name]["stage"], rows[name]["owner"], rows[name]["entity"]) == (view.stage, view.owner, view.entity)
        fields = store.sql("SELECT field FROM feature_fields WHERE feature_view = $v", {"v": name}).fetchall()
        assert {field for (field,) in fields} == set(view.own_columns)
        store.sql(f"FROM features.{name} LIMIT 0")
    dimensions = store.sql("SELECT feature_view, dimension FROM feature_fields WHERE type = 'vector'").fetchall()
    assert dimensions
    assert all(dimension == 8 for _, dimension in dimensions)
    definitions = {row[0] for row in store.sql("SELECT definition FROM label_definitions").fetchall()}
    assert (
        definitions
        == set(label_definitions())
        == {row[0] for row in store.sql("SELECT DISTINCT definition FROM labels").fetchall()}
    )


def test_every_table_view_column_and_macro_has_a_comment(store: FeatureStore) -> None:
    things = store.sql(
        "SELECT table_name FROM duckdb_tables() WHERE comment IS NULL UNION ALL "
        "SELECT view_name FROM duckdb_views() WHERE comment IS NULL AND NOT internal "
        "UNION ALL SELECT function_name FROM duckdb_functions() WHERE NOT internal AND comment IS NULL"
    ).fetchall()
    columns = store.sql(
        "SELECT table_name, column_name FROM duckdb_columns() WHERE NOT internal AND comment IS NULL"
    ).fetchall()
    assert (things, columns) == ([], [])


def test_latest_rows_are_one_per_visit(store: FeatureStore) -> None:
    for view in declared_views().values():
        if view.source is None:
            keys = "eid, instance" + (f", {view.key}" if view.key else "")
            doubles = store.sql(
                f"SELECT {keys} FROM features.{view.name}_latest GROUP BY ALL HAVING count(*) > 1"
            ).fetchall()
            assert doubles == []
            assert store.sql(f"SELECT count(*) FROM features.{view.name}_latest").fetchall() != [(0,)]


def test_wide_predictions_carry_the_names_of_the_traits(store: FeatureStore) -> None:
    wide = store.sql(
        "SELECT eid, instance, LVEDV, LVEF, RVEF FROM features.trait_prediction_wide ORDER BY ALL"
    ).fetchall()
    long = store.sql(
        "SELECT eid, instance, max(value) FILTER (field_id = 24100), max(value) FILTER (field_id = 24103), NULL "
        "FROM features.trait_prediction_latest GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    assert wide == long
    comment = store.sql(
        "SELECT comment FROM duckdb_columns() WHERE table_name = 'traits_wide' AND column_name = 'LVEF'"
    ).fetchall()
    assert "24103" in comment[0][0]


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("description: x\nentity: visit\nstage: s\nowner: o\n", "not a feature view"),
        (
            "description: x\nentity: visit\nstage: s\nowner: o\ncolour: red\ncolumns: {a: {type: DOUBLE, description: d}}\n",
            "colour",
        ),
        (
            "description: x\nentity: house\nstage: s\nowner: o\ncolumns: {a: {type: DOUBLE, description: d}}\n",
            "visit or participant",
        ),
        (
            "description: x\nentity: visit\nstage: s\nowner: o\nkey: b\ncolumns: {a: {type: DOUBLE, description: d}}\n",
            "'b'",
        ),
    ],
)
def test_a_wrong_declaration_raises_an_error(tmp_path: Path, text: str, match: str) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=match):
        feature_views._read(file)


def test_an_unknown_view_lists_those_there_are() -> None:
    with pytest.raises(FeatureError, match="ecg_embedding"):
        declared_view("ecg")
