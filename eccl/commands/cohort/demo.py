"""``eccl demo``: the whole chain on a simulated cohort."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from eccl.commands.options import DryRunOption, WorkersOption
from eccl.commands.output import render_table
from eccl.workspace import MARKER, Workspace

# Small shards, so that a small cohort makes several batches of work.
DEMO_SETTINGS: dict[str, str | int] = {"ecg_shard_rows": 32, "cine_shard_rows": 8, "preset": "demo"}
QUERIES = {
    "embeddings_with_labels": "Embeddings joined with labels and traits",
    "predictions_against_truth": "Predictions from the ECG against CMR, test split",
    "one_lineage": "One embedding's lineage, down to the raw file's hash",
}


def demo(
    folder: Annotated[Path, typer.Argument(help="Workspace for the demo; it may exist from an earlier run.")] = Path(
        "demo"
    ),
    participants: Annotated[
        int | None, typer.Option(min=8, help="Simulated participants; default from params.yaml.")
    ] = None,
    workers: WorkersOption = 2,
    dry_run: DryRunOption = False,
) -> None:
    """Run the whole chain on a simulated cohort: ingest, validate, record, train, publish and query.

    Example: eccl demo
    """
    if dry_run:
        typer.echo(
            f"In {folder.resolve()}: simulate, ingest, validate, record, train, publish, query. Nothing was written."
        )
        return
    from eccl.commands.cohort.simulate import simulate
    from eccl.commands.flow import run_flow
    from eccl.versioning.initialise import init_workspace

    workspace = Workspace(folder.resolve()) if (folder / MARKER).is_file() else init_workspace(folder, DEMO_SETTINGS)
    raw = workspace.root / "raw"
    simulate(raw, participants=participants, seed=None, workers=workers, workspace=workspace.root)
    run_flow("cohort", workspace, raw=raw, workers=workers)
    _answers(workspace.root)
    typer.echo(_next(folder))


def _answers(root: Path) -> None:
    from eccl.data.database import schema_sql
    from eccl.features.store import open_store

    with open_store(root) as store:
        for name, title in QUERIES.items():
            typer.echo(f"\n{title}  (schemas/queries/{name}.sql)")
            typer.echo(render_table(store.sql(schema_sql("queries", name)).pl(), 20), nl=False)


def _next(folder: Path) -> str:
    return f"""
Next:
  cd {folder}
  eccl sql "SELECT code, definition, count(*) FILTER (\\"value\\") AS cases, count(*) AS visits FROM labels GROUP BY ALL ORDER BY ALL"
  eccl sql "SELECT kind, reason, remedy, count(*) AS files FROM quarantine GROUP BY ALL ORDER BY files DESC"
  eccl features list                   the features of the models, and of how many visits
  eccl features get trait:LVEF trait_prediction:LVEF --label I50:prevalent
  eccl versions                        the recorded version of data/, and the releases of the store
  open reports/gate/summary.html       what the gate checked
  eccl ingest RAW                      your own files, once you have them
"""
