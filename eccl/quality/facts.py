"""Facts that hold between tables: one query per fact, each a number that must be 0 (or small, for shares).

Names say what is counted when something is wrong. The queries are in schemas/facts, the limits and severities in
schemas/expectations/facts.json.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from typing import TYPE_CHECKING

from eccl.quality.statements import read_folder

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

FACTS: Mapping[str, str] = dict(chain.from_iterable(topic.items() for topic in read_folder("facts").values()))


def load_facts(connection: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """Compute every fact; one whose tables lack a column it names is left out."""
    import duckdb
    import pandas as pd

    found: dict[str, list[float]] = {}
    for name, query in FACTS.items():
        try:
            [(value,)] = connection.execute(query).fetchall()
        except (duckdb.CatalogException, duckdb.BinderException):
            continue
        # A share of nothing is null: there is nothing to complain about.
        found[name] = [float(value or 0)]
    return pd.DataFrame(found)
