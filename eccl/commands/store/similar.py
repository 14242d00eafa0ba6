"""``eccl similar``: nearest visits in an embedding."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from eccl.commands.options import CsvOption, JsonOption, OutOption, ReleaseOption, WorkspaceOption
from eccl.commands.output import choose_output, show
from eccl.workspace import find_workspace


def similar(
    eid: Annotated[int, typer.Argument(help="Participant.")],
    instance: Annotated[int, typer.Option("--instance", "-i", help="Visit.")] = 2,
    view: Annotated[str, typer.Option(help="View of the visit's vector.")] = "ecg_projection",
    among: Annotated[str | None, typer.Option(help="View to search, e.g. cmr_projection; default is the same.")] = None,
    run: Annotated[str | None, typer.Option(help="Run; default is the view's own.")] = None,
    k: Annotated[int, typer.Option("--k", "-k", min=1, help="Neighbours.")] = 10,
    metric: Annotated[Literal["cosine", "inner_product"], typer.Option(help="Similarity.")] = "cosine",
    where: Annotated[str | None, typer.Option(help="SQL condition over visits, participants and splits.")] = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
    out: OutOption = None,
    release: ReleaseOption = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Find the visits nearest to a visit in an embedding, with their labels; exact search.

    Example: eccl similar 9000001 --where "sex = 'F' AND split <> 'train'"
    """
    import duckdb

    from eccl.features.store import open_store

    output = choose_output(as_json, as_csv, out)
    place = find_workspace(workspace)
    with open_store(place.root, release=release) as store:
        try:
            found = store.find_nearest(eid, instance, view, k, among=among, run=run, metric=metric, where=where)
            show(place, store, found, output, out, k)
        except duckdb.Error as error:
            typer.echo(f"eccl: {error}", err=True)
            raise typer.Exit(1) from None
