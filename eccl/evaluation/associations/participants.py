"""Who is in the regressions: one visit per participant of a split, with covariates and the time until a diagnosis."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl
from numpy.typing import NDArray

from eccl.data.parts import read_table
from eccl.evaluation.predictions import Truth
from eccl.workspace import Workspace

Float = NDArray[np.float64]
DAYS_PER_YEAR = 365.25
END_PERCENTILE = 0.99
"""Share of the diagnosis dates up to the end of follow-up: a date mistyped into the future does not move it."""


@dataclass(frozen=True, slots=True)
class Participants:
    """One visit per participant: the first that has an ECG and a cine.

    Parameters
    ----------
    positions
        (n,) positions among the visits of the truth.
    visits
        eid, visit_date, end of follow-up; in that order.
    covariates
        age (years), sex (1 is male), BSA (m2): (n,) each, NaN where unknown.
    followed_until
        The end of follow-up in words: the day, and where it is from; empty where nothing was ever diagnosed.
    """

    positions: NDArray[np.int64]
    visits: pl.DataFrame
    covariates: dict[str, Float]
    followed_until: str


@dataclass(frozen=True, slots=True)
class FollowUp:
    """Time until a first diagnosis after the visit.

    A death ends the follow-up as its end does: no diagnosis comes after it, and what a Cox model finds is a cause-specific
    hazard. Diagnoses of other diseases end nothing.

    Parameters
    ----------
    days
        (n,) until the diagnosis, the death, the loss to follow-up or its end; NaN for participants that are not at risk:
        diagnosed on or before the visit, with a diagnosis of unknown date, without a date of the visit, or with a visit after the
        end of follow-up.
    is_event
        (n,) 1 where the time ends with the diagnosis, else 0.
    """

    days: Float
    is_event: Float


def choose_participants(workspace: Workspace, truth: Truth, followup_end: date | None) -> Participants:
    """Take the first visit of every participant, and what is known of it.

    Parameters
    ----------
    followup_end
        Last day on which diagnoses are complete (``cohort.followup_end``); None takes the 99th percentile of their dates.
    """
    first = truth.visits.with_row_index("position").group_by("eid", maintain_order=True).first()
    first = first.select(pl.col("eid").cast(pl.Int64), pl.col("instance").cast(pl.Int64), "position")
    visits = _table(workspace, "visits", ["eid", "instance", "visit_date", "age_years", "height_cm", "weight_kg"])
    people = _table(workspace, "participants", ["eid", "sex", "death_date", "lost_to_follow_up_on"])
    known = first.join(visits, on=["eid", "instance"], how="left", maintain_order="left")
    known = known.join(people, on="eid", how="left", maintain_order="left")
    last, followed_until = _end_of_followup(workspace, followup_end)
    end = pl.min_horizontal(pl.lit(last, pl.Date), "death_date", "lost_to_follow_up_on")
    known = known.with_columns(
        end=end,
        male=pl.when(pl.col("sex").is_not_null()).then((pl.col("sex") == "M").cast(pl.Float64)),
        bsa=(pl.col("height_cm") * pl.col("weight_kg") / 3600).sqrt(),  # Mosteller 1987
    )
    covariates = {
        name: _floats(known[column]) for name, column in (("age", "age_years"), ("sex", "male"), ("BSA", "bsa"))
    }
    return Participants(
        known["position"].to_numpy().astype(np.int64),
        known.select("eid", "visit_date", "end"),
        covariates,
        followed_until,
    )


def _end_of_followup(workspace: Workspace, given: date | None) -> tuple[date | None, str]:
    if given is not None:
        return given, f"followed until {given} (cohort.followup_end)"
    dates = _table(workspace, "diagnoses", ["date"])["date"].drop_nulls().sort()
    if dates.is_empty():
        return None, ""
    last: date = dates[int(END_PERCENTILE * (len(dates) - 1))]
    return last, f"followed until {last} (99th percentile of the diagnosis dates)"


def follow(workspace: Workspace, participants: Participants, code: str) -> FollowUp:
    """Time from the visit to the first diagnosis of an ICD-10 block, for those who had none."""
    events = _table(workspace, "diagnoses", ["eid", "code", "date"]).filter(pl.col("code").str.starts_with(code))
    events = events.group_by("eid").agg(
        pl.col("date").min().alias("first"),
        pl.col("date").is_null().any().alias("is_undated"),
        pl.lit(True).alias("has"),
    )
    known = participants.visits.join(events, on="eid", how="left", maintain_order="left")
    known = known.with_columns(pl.col("has", "is_undated").fill_null(False))
    # A diagnosis after the end cannot have been made: the end is the last date at which one could be seen.
    is_event = (pl.col("first") > pl.col("visit_date")) & (pl.col("first") <= pl.col("end"))
    days = (pl.when(is_event).then(pl.col("first")).otherwise(pl.col("end")) - pl.col("visit_date")).dt.total_days()
    is_at_risk = (~pl.col("has") | (pl.col("first") > pl.col("visit_date"))) & ~pl.col("is_undated") & (days > 0)
    found = known.select(
        days=pl.when(is_at_risk).then(days.cast(pl.Float64)), is_event=is_event.fill_null(False).cast(pl.Float64)
    )
    return FollowUp(_floats(found["days"]), found["is_event"].to_numpy())


def _floats(values: pl.Series) -> Float:
    return values.cast(pl.Float64).fill_null(float("nan")).to_numpy()


def _table(workspace: Workspace, name: str, columns: list[str]) -> pl.DataFrame:
    table = pl.DataFrame(read_table(workspace.data, name, columns))
    return table.with_columns(pl.col(column).cast(pl.Int64) for column in ("eid", "instance") if column in columns)
