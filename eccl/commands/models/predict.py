"""``eccl predict``: predictions of trained runs for an ECG file or a folder of them."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from eccl.commands.options import JsonOption, WorkersOption, WorkspaceOption
from eccl.commands.output import render_table
from eccl.commands.progress import bar
from eccl.workspace import find_workspace

SOME = 4
"""Rows that a note names; of more, only the number is printed."""

if TYPE_CHECKING:
    from eccl.config import Params
    from eccl.inference.output import FolderOutcome
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
    typer.echo(dump(asdict(outcome)) if as_json else _text(outcome), nl=False)


def _text(outcome: FolderOutcome) -> str:
    quarantined = sum(outcome.quarantined.values())
    lines = [f"{_many_files(outcome.files)} = {outcome.predicted} predicted + {quarantined} quarantined"]
    lines += [f"  quarantined for {reason}: {count}" for reason, count in sorted(outcome.quarantined.items())]
    lines += [f"  {verdict}: {count}" for verdict, count in sorted(outcome.distribution.items())]
    lines += [f"  note: {outcome.note}"] if outcome.note else []
    lines += [f"  {view}.parquet: {count} rows" for view, count in outcome.rows.items() if count]
    lines += [f"  {_many_files(outcome.ignored)} that do not end in .xml were skipped"] if outcome.ignored else []
    return "\n".join(lines) + "\n"


def _many_files(count: int) -> str:
    return f"{count} file{'' if count == 1 else 's'}"


def _answer_text(answer: dict[str, Any]) -> str:
    """Format runs, verdict, diseases and traits for a screen; each note once, below its rows."""
    import polars as pl

    lines = [f"run           {run['run_id']}, data version {run['data_version']}" for run in answer["runs"]]
    lines += [f"distribution  {answer['distribution']}{_reasons(answer)}"]
    lines += [f"note          {answer['note']}"] if answer["note"] else []
    lines += [
        f"tainted       {run['run']}: a participant in its data withdrew on {run['tainted_since']}"
        for run in answer["runs"]
        if run["tainted_since"]
    ]
    text = "\n".join(lines) + "\n"
    for part, columns in (
        ("diseases", ["code", "calibrated_probability", "ci_lower", "ci_upper", "probability"]),
        ("traits", ["field_id", "title", "value", "interval_lower", "interval_upper", "units"]),
    ):
        if answer[part]:
            frame = pl.DataFrame(answer[part], infer_schema_length=None).select(columns)
            kept = [name for name in columns if frame[name].null_count() < frame.height]
            shown = frame.select(kept).rename({"probability": "raw_probability"}, strict=False)
            text += "\n" + render_table(shown, frame.height) + _notes(answer[part], columns[0])
    return text


def _notes(rows: list[dict[str, Any]], key: str) -> str:
    """Format each note once, with the rows it applies to."""
    about: dict[str, list[str]] = {}
    for row in rows:
        if row["note"]:
            about.setdefault(row["note"], []).append(str(row[key]))
    rows_of = {
        note: "all"
        if len(rows) == len(names) > 1
        else ", ".join(names)
        if len(names) <= SOME
        else f"{len(names)} of {len(rows)}"
        for note, names in about.items()
    }
    return "".join(f"{names}: {note}\n" for note, names in rows_of.items())


def _reasons(answer: dict[str, Any]) -> str:
    """The comparisons in which a recording differs from training, with the overall p."""
    places = [(one["measure"], one) for one in answer["quality"]]
    places += [(f"embedding of {one['run']}", one) for one in answer["embeddings"]]
    reasons = [f"p {answer['p']:.2g} over {answer['comparisons']} comparisons"] if answer["p"] is not None else []
    reasons += [
        f"{name} {one['distribution']}" for name, one in places if one["distribution"] in {"unusual", "outside"}
    ]
    unknown = sum(one["distribution"] == "unknown" for _, one in places)
    reasons += [f"{unknown} of {len(places)} measures have too few recordings to compare with"] if unknown else []
    return f"  ({'; '.join(reasons)})" if reasons else ""
