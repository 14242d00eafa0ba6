"""Feature views as declared in schemas/features/<view>.yaml: its content, the stage that writes it, and its table in the store.

A *computed* view is written by a training stage, one Parquet file per run. A *source* view shows columns of the cohort's
own tables, so that measurements and predictions are queried in the same way.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eccl.errors import ConfigError, FeatureError
from eccl.workspace import shipped
from eccl.yaml_text import parse_yaml

KEYS = ("eid", "instance", "split", "run_id", "data_version", "array_row")
"""Columns of every file of a computed view, before its own."""

_KEY_COLUMNS = {
    "eid": ("BIGINT NOT NULL", "Participant"),
    "instance": ("TINYINT NOT NULL", "Visit"),
    "run": ("VARCHAR NOT NULL", "Run that wrote the row"),
    "run_id": ("VARCHAR NOT NULL", "Content id of that run"),
    "split": ("VARCHAR NOT NULL", "Split the visit was in when the model was trained: train rows flatter the model"),
    "data_version": ("VARCHAR NOT NULL", "Data version the row was computed on"),
    "array_row": ("BIGINT NOT NULL", "Slot of the array the row was computed from"),
    "state": (
        "VARCHAR NOT NULL",
        "current; superseded: a later file of the visit got another slot; stale: the run does not cover the data "
        "version of this store (eccl materialize RUN)",
    ),
}


@dataclass(frozen=True, slots=True)
class Column:
    """One own column of a view.

    Parameters
    ----------
    type
        DuckDB's, or ``vector``: 32-bit floats of one length, which the run decides.
    sql
        Expression over the source of a source view; default is the column of that name.
    """

    name: str
    type: str
    description: str
    unit: str | None = None
    sql: str | None = None

    @property
    def expression(self) -> str:
        """SQL that gives the column's values."""
        return self.sql or f'"{self.name}"'


@dataclass(frozen=True, slots=True)
class FeatureView:
    """A declared feature view.

    Parameters
    ----------
    entity
        What a row describes: ``visit``, or ``participant`` where rows are dated events.
    modality
        Array the rows are computed from (``ecg``, ``cine``); None where there is none.
    stage
        Stage of dvc.yaml that writes the view; ``ingest`` for source views.
    key, value
        Of a view with several rows per visit: the column that distinguishes them, and the one that a reference without a field means.
    default_run
        Run of a reference ``view`` without ``@run``; ``{key}`` stands for the key's value.
    source, time
        Of a source view: SQL after FROM, and for events the date from which a row is known.
    is_cache
        True for a view that only training reads.
    """

    name: str
    description: str
    entity: str
    stage: str
    owner: str
    columns: tuple[Column, ...]
    modality: str | None = None
    key: str | None = None
    value: str | None = None
    default_run: str | None = None
    source: str | None = None
    time: str | None = None
    is_cache: bool = False

    @property
    def own_columns(self) -> tuple[str, ...]:
        """Names of the view's own columns."""
        return tuple(column.name for column in self.columns)

    @property
    def fields(self) -> tuple[Column, ...]:
        """Columns that a reference can name: all except the key."""
        return tuple(column for column in self.columns if column.name != self.key)

    @property
    def is_vector(self) -> bool:
        """Whether the view holds embeddings."""
        return any(column.type == "vector" for column in self.columns)

    def run_of(self, key: str | None) -> str | None:
        """Run that a reference without ``@run`` means."""
        return self.default_run.replace("{key}", str(key)) if self.default_run else None

    def table_sql(self, vector: str) -> list[str]:
        """Statements that make a computed view's table in the store, comments included.

        Parameters
        ----------
        vector
            Type of vectors, e.g. ``FLOAT[256]``.
        """
        name = f"features.{self.name}"
        own = {c.name: (f"{vector if c.type == 'vector' else c.type} NOT NULL", c.description) for c in self.columns}
        columns = {**_KEY_COLUMNS, **own}
        body = ", ".join(f'"{column}" {kind}' for column, (kind, _) in columns.items())
        comment = f"{self.description} From the stage {self.stage}; one row per visit and run"
        comment += f" and {self.key}." if self.key else "."
        return [
            f"CREATE TABLE {name} ({body})",
            f"COMMENT ON TABLE {name} IS {quote(comment)}",
            *(f'COMMENT ON COLUMN {name}."{c}" IS {quote(text)}' for c, (_, text) in columns.items()),
        ]

    def view_sql(self) -> list[str]:
        """Statements that make a source view in the store, comments included."""
        name = f"features.{self.name}"
        keys = {"eid": "Participant"} | ({"instance": "Visit"} if self.entity == "visit" else {})
        select = ", ".join([*keys, *(f'{c.expression} AS "{c.name}"' for c in self.columns)])
        dated = f' WHERE "{self.time}" IS NOT NULL' if self.time else ""
        comments = keys | {column.name: describe(column) for column in self.columns}
        return [
            f"CREATE VIEW {name} AS SELECT {select} FROM {self.source}{dated}",
            f"COMMENT ON VIEW {name} IS {quote(self.description)}",
            *(f'COMMENT ON COLUMN {name}."{column}" IS {quote(text)}' for column, text in comments.items()),
        ]


@functools.cache
def declared_views() -> Mapping[str, FeatureView]:
    """Every declared view by name, computed ones first."""
    found = [_read(path) for path in sorted((shipped("schemas") / "features").glob("*.yaml"))]
    return {view.name: view for view in sorted(found, key=lambda view: (view.source is not None, view.name))}


def computed_views() -> tuple[FeatureView, ...]:
    """Views that training stages write."""
    return tuple(view for view in declared_views().values() if view.source is None)


def source_views() -> tuple[FeatureView, ...]:
    """Views over the cohort's own tables."""
    return tuple(view for view in declared_views().values() if view.source is not None)


def declared_view(name: str) -> FeatureView:
    """One view by name.

    Raises
    ------
    FeatureError
        It is not declared.
    """
    try:
        return declared_views()[name]
    except KeyError:
        known = ", ".join(declared_views())
        raise FeatureError(f"no feature view {name}; declared in schemas/features are {known}") from None


def label_definitions() -> dict[str, dict[str, Any]]:
    """Definitions of the labels as declared in schemas/labels.yaml."""
    declared: dict[str, dict[str, Any]] = parse_yaml((shipped("schemas") / "labels.yaml").read_text())
    return declared


def quote(text: str) -> str:
    """A text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """A column's name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def describe(column: Column) -> str:
    """A column's description with its unit."""
    return f"{column.description} ({column.unit})" if column.unit else column.description


def _read(path: Path) -> FeatureView:
    content = parse_yaml(path.read_text())
    try:
        columns = tuple(Column(name, **fields) for name, fields in content.pop("columns").items())
        view = FeatureView(name=path.stem, columns=columns, **content)
    except (TypeError, KeyError, AttributeError) as error:
        raise ConfigError(f"schemas/features/{path.name} is not a feature view ({error}); correct its keys") from None
    named = {name for name in (view.key, view.value, view.time) if name}
    unknown = named - set(view.own_columns)
    if unknown or view.entity not in {"visit", "participant"}:
        raise ConfigError(
            f"schemas/features/{path.name}: key, value and time name columns (not {sorted(unknown)}), entity is visit or participant"
        )
    return view
