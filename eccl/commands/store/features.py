"""``eccl features``: the feature views, their coverage, and the features of a cohort."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from eccl.commands.options import CsvOption, JsonOption, OutOption, ReleaseOption, RowsOption, WorkspaceOption
from eccl.commands.output import Output, choose_output, render, render_table, show
from eccl.workspace import find_workspace

if TYPE_CHECKING:
    import polars as pl

    from eccl.features.historical import Stale


def list_features(
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
    release: ReleaseOption = None,
    workspace: WorkspaceOption = None,
) -> None:
    """List the feature views with their coverage.

    Example: eccl features list
    """
    from eccl.data.database import schema_sql
    from eccl.features.store import open_store

    place = find_workspace(workspace)
    output = choose_output(as_json, as_csv)
    shown = "* EXCLUDE (description)" if output is Output.TABLE else "*"
    with open_store(place.root, release=release) as store:
        found = store.sql(f"SELECT {shown} FROM ({schema_sql('queries', 'feature_list')})")
        show(place, store, found, output, None, 1000)


def show_feature(
    view: Annotated[str, typer.Argument(help="Feature view.")],
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
    release: ReleaseOption = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Show the declaration, the fields, and the coverage by run and data version of a view.

    --json and --csv print the coverage alone.

    Example: eccl features show ecg_projection
    """
    from eccl.data.database import schema_sql
    from eccl.features.store import open_store
    from eccl.features.views import declared_view

    output = choose_output(as_json, as_csv)
    declared = declared_view(view)
    with open_store(find_workspace(workspace).root, release=release) as store:
        queries = (schema_sql("queries", name) for name in ("feature_fields", "feature_coverage"))
        fields, coverage = (store.sql(query, {"view": view}).pl() for query in queries)
    if output is not Output.TABLE:
        typer.echo(render(coverage, output, 1000), nl=False)
        return
    typer.echo(f"{view}: {declared.description}")
    origin = f"from {declared.source}" if declared.source else f"default run {declared.default_run}"
    typer.echo(f"entity {declared.entity}, stage {declared.stage}, {origin}, owner {declared.owner}")
    typer.echo(render(fields, output, 1000), nl=False)
    if declared.source is None:
        typer.echo(render(coverage, output, 1000) if len(coverage) else "No rows in this store yet.\n", nl=False)


def get_features(
    features: Annotated[list[str], typer.Argument(help="References: view, view:field, view@run.")],
    entities: Annotated[
        str | None, typer.Option(help="SQL that returns eid and instance; default is every usable pair.")
    ] = None,
    label: Annotated[list[str] | None, typer.Option("--label", "-l", help="CODE:DEFINITION; may be repeated.")] = None,
    as_of: Annotated[str, typer.Option("--as-of", help="visit, a date, or a column of the entities.")] = "visit",
    max_age_days: Annotated[int | None, typer.Option(min=0, help="Oldest row that may be returned.")] = None,
    include_stale: Annotated[bool, typer.Option("--include-stale", help="Return stale rows, marked as such.")] = False,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
    out: OutOption = None,
    rows: RowsOption = 20,
    release: ReleaseOption = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Get features as they were known at a time, with the coverage of every column.

    Example: eccl features get ecg_embedding trait:LVEF disease_prediction:I50 --label I50:prevalent --out cohort.parquet
    """
    import duckdb

    from eccl.features.store import open_store

    output = choose_output(as_json, as_csv, out)
    place = find_workspace(workspace)
    stale: Stale = "include" if include_stale else "refuse"
    with open_store(place.root, release=release) as store:
        try:
            found = store.get_historical_features(
                entities, features, labels=label or [], as_of=as_of, max_age_days=max_age_days, stale=stale
            )
            show(place, store, found.relation, output, out, rows)
            typer.echo(_gaps(found.coverage.pl()), err=output is not Output.TABLE, nl=False)
        except duckdb.Error as error:
            typer.echo(f"eccl: {error}", err=True)
            raise typer.Exit(1) from None


def _gaps(coverage: pl.DataFrame) -> str:
    """Count the complete columns, and list those with missing or stale values."""
    import polars as pl

    gaps = coverage.group_by("feature", maintain_order=True).agg(pl.col("stale", "without_value").sum())
    names = gaps.filter((pl.col("stale") > 0) | (pl.col("without_value") > 0))["feature"]
    complete = gaps.height - len(names)
    shown = render_table(coverage.filter(pl.col("feature").is_in(names.to_list())), 1000) if len(names) else ""
    return f"{complete} of {gaps.height} columns are complete\n{shown}"
