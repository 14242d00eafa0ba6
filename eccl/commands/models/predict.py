"""``eccl predict``: predictions of trained runs for an ECG file or a folder of them."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from eccl.commands.options import JsonOption, WorkersOption, WorkspaceOption
from eccl.commands.output import render_table
from eccl.commands.progress import bar
from eccl.templates import render
from eccl.workspace import find_workspace

SOME = 4
"""Rows that a note names; of more, only the number is printed."""

if TYPE_CHECKING:
    from eccl.config import Params
    from eccl.inference.predict import Predictor
    from eccl.ledger.tombstones import Tombstones


def predict(
    path: Annotated[Path, typer.Argument(metavar="FILE.xml|FOLDER", help="An ECG in CardioSoft XML, or a folder.")],
    run: Annotated[
        str,
        typer.Option("--run", "-r", help="A run, align (its five runs), all, or a run of an arm: align.triplet.s43."),
    ] = "align",
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FOLDER", help="Folder for the predictions, if PATH is a folder."),
    ] = None,
    workers: WorkersOption = 2,
    as_json: JsonOption = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Predict 82 traits and four diseases from an ECG, with intervals and its distance from the training recordings.

    A file that the ingest would quarantine is not predicted, for the same reason. Nothing is written to the workspace.

    Example: eccl predict ecg.xml --run align-I50 --json

    Example: eccl predict ecgs --out predictions
    """
    from eccl.training.__main__ import prepare_cpu

    if path.is_dir() != (out is not None):
        raise typer.BadParameter("a folder needs --out FOLDER for its predictions, and a single file takes none")
    place = find_workspace(workspace)
    prepare_cpu()  # torch is loaded below
    from eccl.config import load_params
    from eccl.inference.predict import Predictor
    from eccl.inference.runs import choose_runs
    from eccl.ledger.tombstones import Tombstones
    from eccl.training.loop.runtime import runtime_from_environment

    params, tombstones = load_params(place.params_file), Tombstones.load(place)
    runs = choose_runs(place, run)
    predictor = Predictor.open(place, runs, runtime_from_environment(devices=1))
    if out is None:
        _one(predictor, params, tombstones, path, run, as_json)
    else:
        _many(predictor, params, tombstones, path, out, workers, as_json)


def _one(predictor: Predictor, params: Params, tombstones: Tombstones, path: Path, model: str, as_json: bool) -> None:
    from eccl.inference.output import dump, quarantined_json, to_json
    from eccl.inference.reading import Quarantined, Reader

    reader = Reader(path.parent, params, tombstones)
    recording = reader.read(reader.find(path.name))
    if isinstance(recording, Quarantined):
        if as_json:
            typer.echo(dump(quarantined_json(recording)), nl=False)
        typer.echo(f"eccl: quarantined: {recording.reason}: {recording.detail}. {recording.remedy}", err=True)
        raise typer.Exit(1)
    answer = to_json(recording, predictor.predict([recording]), predictor, model)
    typer.echo(dump(answer) if as_json else _answer_text(answer), nl=False)


def _many(
    predictor: Predictor, params: Params, tombstones: Tombstones, folder: Path, out: Path, workers: int, as_json: bool
) -> None:
    from eccl.inference.output import dump, predict_folder
    from eccl.inference.reading import Reader

    with bar("Predict") as on_progress:
        outcome = predict_folder(predictor, Reader(folder, params, tombstones), out, workers, on_progress)
    text = dump(asdict(outcome)) if as_json else render("commands/models/predict_folder.txt.jinja", outcome=outcome)
    typer.echo(text, nl=False)


def _answer_text(answer: dict[str, Any]) -> str:
    """Format runs, verdict, diseases and traits for a screen; each note once, below its rows."""
    import polars as pl

    tables = []
    for part, columns in (
        ("diseases", ["code", "calibrated_probability", "ci_lower", "ci_upper", "probability"]),
        ("traits", ["field_id", "title", "value", "interval_lower", "interval_upper", "units"]),
    ):
        if answer[part]:
            frame = pl.DataFrame(answer[part], infer_schema_length=None).select(columns)
            kept = [name for name in columns if frame[name].null_count() < frame.height]
            shown = frame.select(kept).rename({"probability": "raw_probability"}, strict=False)
            tables.append(render_table(shown, frame.height) + _notes(answer[part], columns[0]))
    return render("commands/models/predict.txt.jinja", answer=answer, tables=tables)


def _notes(rows: list[dict[str, Any]], key: str) -> str:
    """Format each note once, with the rows it applies to."""
    about: dict[str, list[str]] = {}
    for row in rows:
        if row["note"]:
            about.setdefault(row["note"], []).append(str(row[key]))
    text = ""
    for note, names in about.items():
        named = ", ".join(names) if len(names) <= SOME else f"{len(names)} of {len(rows)}"
        text += f"{'all' if len(names) == len(rows) > 1 else named}: {note}\n"
    return text
