"""The published feature store, read-only: SQL, point-in-time features, neighbours, lineage."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import Any, get_args

import duckdb
import numpy as np
from numpy.typing import NDArray

from eccl.data.database import open_file
from eccl.errors import FeatureError, WorkspaceError
from eccl.features import historical, nearest
from eccl.features.historical import HistoricalFeatures, Stale
from eccl.features.nearest import Matrix, Metric
from eccl.features.references import Catalog, parse_label
from eccl.features.views import declared_view
from eccl.ledger.releases import LATEST, open_release, read_ledger
from eccl.workspace import find_workspace


def open_store(path: Path | str | None = None, *, release: str | None = None) -> FeatureStore:
    """Open the published feature store, read-only.

    Parameters
    ----------
    path
        A ``.duckdb`` file, or a folder in a workspace; default is the workspace around the current folder.
    release
        Name of a release, an alias such as ``stable``, or a data version; default is the latest release.

    Raises
    ------
    WorkspaceError
        There is no published store.
    VersionError
        There is no such release, it was retracted, or its file was removed.
    """
    if path is not None and Path(path).is_file():
        if release is not None:
            raise WorkspaceError("a file is one release; give the workspace's folder to choose another release")
        return FeatureStore(Path(path))
    workspace = find_workspace(path)
    # A release has a path of its own, so a process that has one open can open the next.
    if release is not None or LATEST in read_ledger(workspace).aliases:
        return FeatureStore(open_release(workspace, release or LATEST).path(workspace))
    if not workspace.database.is_file():
        raise WorkspaceError(f"no published store at {workspace.database}; run `eccl publish`")
    return FeatureStore(workspace.database)


class FeatureStore:
    """A published store: labels, traits, features and their lineage.

    Examples
    --------
    >>> with eccl.open() as store:
    ...     store.sql("SELECT split, count(*) FROM pairs GROUP BY 1").pl()
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection = open_file(path)
        self._catalog = Catalog(self._connection)
        self._matrices: dict[tuple[str, str | None], tuple[Matrix, str]] = {}

    @property
    def release(self) -> str:
        """Name of the release."""
        return str(self._connection.execute("SELECT name FROM release").fetchall()[0][0])

    @property
    def data_version(self) -> str:
        """Data version that the store shows."""
        return str(self._connection.execute("SELECT data_version FROM release").fetchall()[0][0])

    def sql(self, query: str, parameters: Any = None) -> duckdb.DuckDBPyRelation:
        """Run a query; the relation has ``.pl()``, ``.df()``, ``.to_arrow_table()`` and ``.fetchall()``."""
        return self._connection.sql(query, params=parameters)

    def get_historical_features(
        self,
        entities: Any = None,
        features: Sequence[str] = (),
        *,
        labels: Sequence[str] = (),
        as_of: str | date = "visit",
        max_age_days: int | None = None,
        stale: Stale = "refuse",
    ) -> HistoricalFeatures:
        """Features of entities as they were known at a time.

        Parameters
        ----------
        entities
            SQL, a relation, or a polars, pandas or Arrow frame with ``eid`` and, for ``as_of="visit"``, ``instance``; default is
            every usable pair (table ``pairs``). Its rows, columns and order are kept.
        features
            References: ``view``, ``view:field``, ``view@run``; of views with a key ``view:key`` and ``view:key.field``, e.g.
            ``trait:LVEF``, ``disease_prediction:I50.logit``. Without ``@run`` the view's default run is meant.
        labels
            ``code:definition``, e.g. ``I50:prevalent``. Labels are outcomes and are never among the features.
        as_of
            ``visit``: what was recorded at that visit. A date, or the name of a column with one: the latest that was known by then,
            with a column ``<view>_known_on``. Events (``diagnosis_history``) are always the latest known by the date.
        max_age_days
            Oldest that may be returned. With ``as_of="visit"`` it allows an earlier visit's row where the visit has none.
        stale
            ``refuse`` features of runs that do not cover the data version of the store, or ``include`` them with a column
            ``<view>_state``.

        Returns
        -------
        HistoricalFeatures
            Computed when read: ``.pl()``, ``.arrow()``, ``.df()``, ``.numpy()``; ``.coverage`` counts what is missing or stale.

        Raises
        ------
        FeatureError
            A reference is unknown or has another form, or a run is stale.
        """
        return historical.get_historical_features(
            self._connection,
            self._catalog,
            entities,
            features,
            labels=labels,
            as_of=as_of,
            max_age_days=max_age_days,
            stale=stale,
        )

    def find_nearest(
        self,
        eid: int | None = None,
        instance: int | None = None,
        view: str = "ecg_projection",
        k: int = 10,
        *,
        vector: NDArray[np.float32] | None = None,
        among: str | None = None,
        run: str | None = None,
        metric: Metric = "cosine",
        where: str | None = None,
        labels: Sequence[str] | None = None,
    ) -> duckdb.DuckDBPyRelation:
        """The k visits nearest to a visit, or to a vector; exact.

        Parameters
        ----------
        eid, instance
            Visit to start from; it is not in the result where both sides are one view.
        view, among
            View of the visit's vector, and view to search (default: the same). ``ecg_projection`` among ``cmr_projection``
            finds the cines nearest to an ECG.
        vector
            (d,) instead of a visit.
        run
            Run of both views; default is the view's own.
        where
            SQL over visits, participants and splits, e.g. ``"sex = 'F' AND split <> 'train'"``.
        labels
            ``code:definition`` of the labels to show; default is every code, by ``ever``.

        Returns
        -------
        relation
            rank, eid, instance, split, similarity and one column per label.
        """
        if metric not in get_args(Metric) or k < 1:
            raise FeatureError(
                f"metric is one of {', '.join(get_args(Metric))} and k at least 1; found {metric!r} and {k}"
            )
        if among and declared_view(among).stage != declared_view(view).stage:
            raise FeatureError(
                f"{view} and {among} come from different stages and have no common space; ecg_projection and cmr_projection have one"
            )
        searched, chosen = self._matrix(among or view, run)
        own = None
        if vector is None:
            if eid is None or instance is None:
                raise FeatureError("give a visit (eid and instance) or a vector to search from")
            matrix, own = self._position(eid, instance, view, run or chosen)
            vector = matrix.vectors[own]
        allowed = nearest.allowed_rows(self._connection, searched, where)
        if own is not None and among in {None, view}:
            allowed = np.ones(len(searched.eid), dtype=bool) if allowed is None else allowed
            allowed[own] = False
        found = nearest.top(searched, nearest.as_query(vector, searched, among or view), k, metric, allowed)
        codes = self._catalog.codes
        shown = labels if labels is not None else [f"{code}:ever" for code in codes]
        return nearest.neighbours(self._connection, searched, found, [parse_label(label, codes) for label in shown])

    def lineage(self, eid: int, instance: int | None = None) -> list[dict[str, Any]]:
        """Every link of a visit's features, one dictionary per view and run; of all visits without `instance`."""
        query = 'SELECT * FROM lineage WHERE eid = ? AND (instance = ? OR ? IS NULL) ORDER BY instance, "array", feature_view, run'
        return list(self.sql(query, [eid, instance, instance]).to_arrow_table().to_pylist())

    def has_participant(self, eid: int) -> bool:
        """Whether the store holds a participant."""
        return bool(self._connection.execute("SELECT count(*) FROM participants WHERE eid = ?", [eid]).fetchall()[0][0])

    def close(self) -> None:
        """Release the file."""
        self._connection.close()

    def __enter__(self) -> FeatureStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _position(self, eid: int, instance: int, view: str, run: str) -> tuple[Matrix, int]:
        matrix, _ = self._matrix(view, run)
        position = matrix.position(eid, instance)
        if position is None and not self.has_participant(eid):
            raise FeatureError('no such participant in this release; list the ids with `eccl sql "FROM pairs"`')
        if position is None:
            raise FeatureError(
                f"the visit has no current vector in {view}@{run}; `eccl features show {view}` prints its coverage"
            )
        return matrix, position

    def _matrix(self, view: str, run: str | None) -> tuple[Matrix, str]:
        if (view, run) not in self._matrices:
            self._matrices[view, run] = nearest.load_matrix(self._connection, view, run)
        return self._matrices[view, run]
