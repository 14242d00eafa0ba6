"""The only module that imports Great Expectations, on the first use of :class:`Engine`: the import takes seconds.

Results carry counts and aggregates only. The library is configured to return no example values, and its text about an
exception (which may quote data) is replaced before it reaches a row or a page.
"""

from __future__ import annotations

import importlib
import json
import logging
import math
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from eccl.quality.results import ValidationRow
from eccl.quality.suites import Suite, column_name, columns_of

if TYPE_CHECKING:
    import pandas as pd

# BASIC keeps counts; a partial list of length 0 keeps the unexpected values out of results and Data Docs.
_RESULT_FORMAT = {"result_format": "BASIC", "partial_unexpected_count": 0}
_SITE = "gate"


class Engine:
    """One ephemeral Great Expectations context: runs suites on frames, keeps the results for Data Docs.

    Parameters
    ----------
    parameters
        Values of the suites' ``$PARAMETER`` references.
    """

    def __init__(self, parameters: dict[str, Any]) -> None:
        self.parameters = parameters
        with _quiet():
            # Typed as Any: following the library's own annotations costs the type checker a minute.
            self._gx: Any = importlib.import_module("great_expectations")
            types = importlib.import_module("great_expectations.data_context.types.base")
            # Explicit, because the default configuration creates a temporary folder for pages of its own.
            configuration = types.DataContextConfig(
                store_backend_defaults=types.InMemoryStoreBackendDefaults(init_temp_docs_sites=False),
                progress_bars={"globally": False, "metric_calculations": False},
                analytics_enabled=False,
            )
            self._context: Any = self._gx.get_context(mode="ephemeral", project_config=configuration)
            self._source: Any = self._context.data_sources.add_pandas("cohort")
        self._started = datetime.now(UTC)

    def run(self, suite: Suite, frame: pd.DataFrame | None) -> list[ValidationRow]:
        """Run one suite on its frame; None means that the table is missing.

        Expectations on columns that the frame lacks are not met, and are not passed to the library.
        """
        if frame is None:
            return [_missing_table(suite)]
        present = set(frame.columns)
        runnable = [expectation for expectation in suite.expectations if present.issuperset(columns_of(expectation))]
        rows = [
            _row(suite, expectation, _missing_columns(expectation, present))
            for expectation in suite.expectations
            if expectation not in runnable
        ]
        if not runnable:
            return rows
        with _quiet():
            expectations = self._gx.ExpectationSuite(name=suite.name, expectations=runnable)
            expectations = self._context.suites.add(expectations)
            batch = self._source.add_dataframe_asset(suite.name).add_batch_definition_whole_dataframe("all rows")
            result = batch.get_batch({"dataframe": frame}).validate(
                expectations, result_format=_RESULT_FORMAT, expectation_parameters=self.parameters
            )
            rows += [_found_row(suite, found) for found in result.results]
            self._keep(suite.name, result)
        return rows

    def write_data_docs(self, folder: Path) -> None:
        """Render every suite and result as a static site at `folder`."""
        with _quiet():
            self._context.add_data_docs_site(
                _SITE,
                {
                    "class_name": "SiteBuilder",
                    "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
                    "store_backend": {
                        "class_name": "TupleFilesystemStoreBackend",
                        "base_directory": str(folder.resolve()),
                    },
                },
            )
            self._context.build_data_docs(site_names=[_SITE])

    def _keep(self, suite: str, result: Any) -> None:
        identifiers = importlib.import_module("great_expectations.data_context.types.resource_identifiers")
        run = importlib.import_module("great_expectations.core.run_identifier")
        key = identifiers.ValidationResultIdentifier(
            expectation_suite_identifier=identifiers.ExpectationSuiteIdentifier(name=suite),
            run_id=run.RunIdentifier(run_name="gate", run_time=self._started),
            batch_identifier=suite,
        )
        result.meta["run_id"] = key.run_id
        result.meta["validation_time"] = self._started
        self._context.validation_results_store.add(key, result)


def _found_row(suite: Suite, found: Any) -> ValidationRow:
    """Convert a result of the library; the text of an exception is removed from it, too."""
    result: dict[str, Any] = found.to_json_dict()["result"]
    observed = _observed(result)
    if found.exception_info and _raised(found.exception_info):
        observed = "could not be evaluated: the column's type does not fit"
        found.exception_info = {
            "raised_exception": True,
            "exception_message": "could not be evaluated",
            "exception_traceback": "",
        }
    return _row(suite, found.expectation_config.to_json_dict(), observed, bool(found.success), result)


def _row(
    suite: Suite,
    expectation: dict[str, Any],
    observed: str | None,
    success: bool = False,
    result: Mapping[str, Any] = MappingProxyType({}),
) -> ValidationRow:
    kwargs = {key: value for key, value in expectation["kwargs"].items() if key != "batch_id"}
    return ValidationRow(
        suite=suite.name,
        table_name=suite.table_of(expectation),
        expectation=expectation["type"],
        column_name=column_name(expectation),
        severity=expectation["severity"],
        success=success,
        element_count=_integer(result.get("element_count")),
        unexpected_count=_integer(result.get("unexpected_count")),
        observed=observed,
        expected=json.dumps(kwargs, sort_keys=True, ensure_ascii=False),
        note=str(expectation.get("notes", "")),
    )


def _observed(result: dict[str, Any]) -> str | None:
    mismatch = (result.get("details") or {}).get("mismatched") or {}
    if "missing" in mismatch:
        return "missing columns: " + ", ".join(sorted(mismatch["missing"]))
    value = result.get("observed_value")
    if value is None or isinstance(value, list):
        return None
    if isinstance(value, float):
        return f"{value:.6g}" if math.isfinite(value) else str(value)
    return str(value)


def _integer(value: Any) -> int | None:
    return None if value is None else int(value)


def _missing_table(suite: Suite) -> ValidationRow:
    return ValidationRow(
        suite.name, suite.table, "expect_table_to_exist", None, "critical", False, None, None,
        "the table is missing", "{}", "Run `eccl ingest RAW`, or `dvc pull` for a recorded version.",
    )  # fmt: skip


def _missing_columns(expectation: dict[str, Any], present: set[str]) -> str:
    missing = sorted(set(columns_of(expectation)) - present)
    return "could not be evaluated: missing, or not computable from the table's columns: " + ", ".join(missing)


def _raised(info: dict[str, Any]) -> bool:
    if "raised_exception" in info:
        return bool(info["raised_exception"])
    return any(nested.get("raised_exception") for nested in info.values() if isinstance(nested, dict))


@contextmanager
def _quiet() -> Iterator[None]:
    # The library warns on import (a deprecated standard module) and logs its steps, some loggers at a level of their own.
    # Neither concerns the cohort, so records stop at the library's top logger.
    logger = logging.getLogger("great_expectations")
    before = logger.propagate
    silent = logging.NullHandler()
    logger.propagate = False
    logger.addHandler(silent)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.removeHandler(silent)
        logger.propagate = before
