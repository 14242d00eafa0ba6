"""``eccl table1``: train what the experiment table still lacks, then write the table."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from eccl.commands.options import DryRunOption, JsonOption, WorkspaceOption

if TYPE_CHECKING:
    from eccl.study.scheduler.jobs import Job
    from eccl.study.scheduler.run import Outcome, Progress
    from eccl.study.scheduler.summary import VariantPlan
    from eccl.training.settings.arms import ArmTable
    from eccl.workspace import Workspace


def table1(
    arms: Annotated[
        str | None, typer.Option(help="Arms of experiments/arms.yaml, separated by commas; default is all.")
    ] = None,
    group: Annotated[
        str | None, typer.Option(help="Groups of arms, separated by commas: table, beyond, figure_2b; default is all.")
    ] = None,
    tasks: Annotated[str | None, typer.Option(help="Tasks of each arm, separated by commas; default is all.")] = None,
    seeds: Annotated[str | None, typer.Option(help="Seeds of the table, separated by commas; default is all.")] = None,
    train_only: Annotated[
        bool, typer.Option("--train-only", help="Train only: do not score the test split or write the table.")
    ] = False,
    again: Annotated[
        str | None, typer.Option(help="Reason for scoring the test split once more, for another selection of runs.")
    ] = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", help="With --dry-run: print every job and why it would run.")
    ] = False,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Train every run of the experiment table that is missing or out of date, then write reports/table1.

    Without options: every arm, task and seed. If a call is killed, the next one keeps the finished runs and resumes the
    current one from its last checkpoint. The test split is scored once, at the end, from a frozen selection: to train in
    several calls, use --train-only for all but the last. Arms are checked against the preset before anything is trained.
    Only the folder experiments/ is committed, with the test-access log.

    Example: eccl table1 --group table --seeds 42,43

    Example: eccl table1 --arms eccl,triplet --tasks traits,I21 --dry-run
    """
    from eccl.study.scheduler.jobs import list_jobs
    from eccl.study.scheduler.pipeline import open_table
    from eccl.study.scheduler.resolve import check_jobs
    from eccl.training.settings.equal_arms import find_twins
    from eccl.workspace import find_workspace

    place = find_workspace(workspace)
    table = open_table(place)
    jobs = list_jobs(table, _names(arms), _names(group), _names(tasks), _numbers(seeds))
    preset = check_jobs(place.params_file, table, jobs)
    twins = find_twins(place.params_file, table, {job.variant for job in jobs})
    if dry_run:
        plan = _plan(place, table, jobs, preset, twins)
        typer.echo(
            json.dumps(_plan_dict(plan), indent=1)
            if as_json
            else _plan_text(plan, verbose, _twins_text(table, twins, preset))
        )
        return
    if twins:
        _warn(_twins_text(table, twins, preset))
    are_parts_alone = not set(_names(arms) or table.arms) & set(table.arms)
    outcome, text = _carry_out(place, table, jobs, preset, again, is_scored=not (train_only or are_parts_alone))
    typer.echo(json.dumps(_as_dict(outcome, text), indent=1) if as_json else _told(outcome, text))


def _carry_out(
    place: Workspace, table: ArmTable, jobs: Sequence[Job], preset: str, again: str | None, is_scored: bool
) -> tuple[Outcome, str | None]:
    """Train what is missing and, where it `is_scored`, write the table: what was done, and the table as Markdown."""
    from eccl.study.scheduler.run import hold, run_jobs

    # Held to the end: nobody trains a run again, or looks at the test split, while its selection is scored.
    with hold(place) as lock:
        if is_scored and not (again or "").strip():
            _require_reason(place, table, jobs)
        with _shown(len(jobs)) as show:
            outcome = run_jobs(place, table, jobs, preset, lock, show, _warn)
        return outcome, _write_table(place, table, jobs, again) if is_scored else None


def _require_reason(place: Workspace, table: ArmTable, jobs: Sequence[Job]) -> None:
    """Refuse before the training what would be refused after it: another look at the test split without a reason.

    Raises
    ------
    SplitError
        The split was scored already, and runs that were asked for are still to be trained.
    """
    from eccl.errors import SplitError
    from eccl.evaluation.test_split.access_log import read_looks
    from eccl.study.scheduler.run import find_stale

    looks = read_looks(place)
    if looks and (stale := find_stale(place, table, jobs)):
        raise SplitError(
            f"{len(stale)} of the {len(jobs)} runs that were asked for are to be trained, first {stale[0][0].run} ({stale[0][1]}), and the "
            f"test split was scored already for {len(looks)} selections of runs; nothing was trained. Train them with `--train-only`, "
            'which leaves the split alone, or say why it is scored once more (`--again "REASON"`)'
        )


def _twins_text(table: ArmTable, twins: Sequence[str], preset: str) -> str:
    return f"under preset {preset}, arm {' and '.join(twins)} changes nothing: its runs are those of {table.reference}"


def _write_table(place: Workspace, table: ArmTable, jobs: Sequence[Job], again: str | None) -> str:
    from eccl.study.scheduler.record import record
    from eccl.study.table1.report import write_table1

    try:
        return write_table1(place, table, jobs, again)
    finally:
        # Also where it failed on its way: a look at the test split that was begun is a look.
        if warning := record(place, "Table 1"):
            _warn(warning)


def _warn(text: str) -> None:
    typer.echo(f"eccl: {text}", err=True)


@dataclass(frozen=True, slots=True)
class _Plan:
    """What a call would do: jobs, reasons by run of those that would run, the same by arm, and arms that change nothing."""

    jobs: Sequence[Job]
    reasons: Mapping[str, str]
    variants: Sequence[VariantPlan]
    seconds: float | None
    twins: Sequence[str]


def _plan(place: Workspace, table: ArmTable, jobs: Sequence[Job], preset: str, twins: Sequence[str]) -> _Plan:
    from eccl.study.scheduler.durations import open_durations
    from eccl.study.scheduler.run import find_stale
    from eccl.study.scheduler.summary import summarise

    stale = find_stale(place, table, jobs)
    reasons = {job.run: reason for job, reason in stale}
    durations = open_durations(place, preset)
    variants = summarise(table, jobs, reasons, durations)
    left = durations.left([job for job, _ in stale])
    return _Plan(jobs, reasons, variants, left, twins)


def _plan_dict(plan: _Plan) -> dict[str, Any]:
    return {
        "jobs": [{**asdict(job), "reason": plan.reasons.get(job.run)} for job in plan.jobs],
        "variants": [asdict(variant) for variant in plan.variants],
        "to_run": len(plan.reasons),
        "seconds": plan.seconds,
        "same_as_reference": list(plan.twins),
    }


def _plan_text(plan: _Plan, is_verbose: bool, twins_text: str) -> str:
    if is_verbose:
        lines = [f"{job.run:<42} {plan.reasons.get(job.run, 'up to date')}" for job in plan.jobs]
    else:
        lines = [f"{'part or arm':<32}{'jobs':>6}{'to run':>8}{'time':>10}"]
        lines += [
            f"{f'{one.stage} {one.variant}':<32}{one.jobs:>6}{one.to_run:>8}{_about(one.seconds):>10}  {one.title}".rstrip()
            for one in plan.variants
        ]
    time = "their time is not known yet" if plan.seconds is None else f"about {_clock(plan.seconds)}"
    lines += [twins_text] if plan.twins else []
    return "\n".join([*lines, f"{len(plan.jobs)} jobs, {len(plan.reasons)} to run: {time}; nothing was trained"])


def _about(seconds: float | None) -> str:
    return "?" if seconds is None else _clock(seconds)


@contextmanager
def _shown(total: int) -> Iterator[Callable[[Progress], None]]:
    """Show jobs on the error stream: a bar at a terminal, a line per job elsewhere."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(24), MofNCompleteColumn(), TimeElapsedColumn())
    with Bar(*columns, TextColumn("{task.fields[left]}"), console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("table1", total=total, left="")

        def show(told: Progress) -> None:
            left = "" if told.left_s is None else f"left {_clock(told.left_s)}"
            note = f"  {told.note}" if told.note else ""
            bar.update(task, completed=told.done, description=f"{told.job.run}{note}", left=left)
            if told.what in {"finished", "failed"}:
                console.print(
                    f"[{told.done}/{told.total}] {told.job.run} {told.what}  {left}".rstrip(),
                    markup=False,
                    highlight=False,
                    soft_wrap=True,
                )

        yield show


def _as_dict(outcome: Outcome, text: str | None) -> dict[str, Any]:
    return {"trained": list(outcome.trained), "unchanged": list(outcome.unchanged), "table": text}


def _told(outcome: Outcome, text: str | None) -> str:
    trained, unchanged = len(outcome.trained), len(outcome.unchanged)
    line = f"{trained + unchanged} jobs: {trained} trained, {unchanged} were up to date"
    if text is None:
        return f"{line}; no table was written"
    return f"{text.rstrip()}\n\n{line}; the table is in reports/table1, `eccl publish` brings it into the store"


def _names(text: str | None) -> list[str] | None:
    if text is None:
        return None
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise typer.BadParameter(f"{text!r} names nothing; leave the option out to take all, or give names with commas")
    return names


def _numbers(text: str | None) -> list[int] | None:
    try:
        return None if text is None else [int(name) for name in _names(text) or ()]
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} are no seeds; expected whole numbers with commas", param_hint="--seeds"
        ) from None


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}"
