"""A card describes training and limits correctly for each stage."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from eccl.cards.evidence import Evidence
from eccl.cards.performance import Estimate, Scores
from eccl.inference.reference import RunReference
from tests.cards.records import card_of, record_of, section

ECG, CINE = "ECGs are 10 s at rest", "short-axis cines of field 20209"


def evidence_of(*splits: str, task: str = "I50", cases: int = 20) -> Evidence:
    metric = {"auc": Estimate(0.7, 0.6, 0.8)}
    scores = {split: (Scores(task, split, 50, 50, cases, metric, ()),) for split in splits}
    return Evidence(scores, pl.DataFrame(), RunReference(), "prevalent", "")


def limits_of(record: dict[str, Any], evidence: Evidence | None, scaling: str | None = None) -> str:
    return section(card_of(record, evidence, scaling), "Known limits")


def test_validation_chose_a_probes_penalty_and_a_networks_epoch() -> None:
    probe = record_of("probe", "I50")
    text = limits_of(probe, evidence_of("val"))
    assert (
        "Validation chose the penalty, and before that the encoder's epoch, so its scores are a little too high" in text
    )
    assert "represents linearly" in text
    card = card_of(probe, evidence_of("val"))
    assert "| penalty | 1, chosen among 0.1, 1, 10 by validation's AUC |" in card
    assert "| epoch |" not in card
    assert "a linear model on the frozen embedding of `align-traits`" in card
    align = record_of("align", "I50")
    assert "Validation chose the epoch, so its scores" in limits_of(align, evidence_of("val"))
    assert "linear" not in limits_of(align, evidence_of("val"))
    assert "| epoch | 2, chosen among 3 by validation's AUC |" in card_of(align, evidence_of("val"))


def test_scores_of_the_test_split_are_mentioned_where_they_are_shown() -> None:
    record = record_of("align", "I50")
    assert "those of the test split are not" in limits_of(record, evidence_of("val", "test"))
    assert "those of the test split are not" not in limits_of(record, evidence_of("val"))
    pretrained = limits_of(record_of("pretrain_ecg", None, "loss"), None)
    assert "Validation chose the epoch, so its recordings are not new to the model." in pretrained
    assert "scores" not in pretrained


@pytest.mark.parametrize(
    ("stage", "kept"), [("align", "the last epoch was kept"), ("probe", "strongest penalty was taken")]
)
def test_the_card_states_that_validation_could_not_choose(stage: str, kept: str) -> None:
    record = record_of(stage, "I50", "last")
    text = limits_of(record, evidence_of("val"))
    assert kept in text
    assert "Validation chose" not in text
    assert "by nothing: validation had no target to choose by" in card_of(record, evidence_of("val"))


@pytest.mark.parametrize(
    ("stage", "task", "inputs"),
    [
        ("pretrain_ecg", None, (True, False)),
        ("pretrain_cmr", "I50", (False, True)),
        ("pretrain_cmae", None, (True, True)),
        ("align", "I50", (True, False)),
        ("probe", "I50", (True, False)),
    ],
)
def test_limits_are_those_of_what_a_stage_reads(stage: str, task: str | None, inputs: tuple[bool, bool]) -> None:
    text = limits_of(record_of(stage, task), evidence_of("val") if task else None)
    assert (ECG in text, CINE in text) == inputs


def test_probabilities_follow_how_a_stage_was_trained() -> None:
    shown = "Training shows at most 2 visits without the disease"
    align, probe, cmr = (
        limits_of(record_of(stage, "I50"), evidence_of("val")) for stage in ("align", "probe", "pretrain_cmr")
    )
    assert shown in align
    assert shown in cmr
    assert "the share of cases in the train split" in probe
    assert "the share of cases in the train split" in limits_of(record_of("align", "all"), evidence_of("val"))
    assert "nothing calibrates them" in cmr  # `eccl predict` does not take it
    assert "`eccl predict` calibrates them" in align
    assert "`eccl predict` calibrates them" in probe


def test_scaling_is_stated_where_it_is_known() -> None:
    probe = record_of("probe", "traits", "mean_r")
    assert "does not see amplitudes" in limits_of(probe, None, "lead_minmax")
    assert "amplitudes" not in limits_of(probe, None, "millivolt")
    assert "amplitudes" not in limits_of(probe, None)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({}, ("pre-trained as a masked autoencoder", "aligned with that of a frozen CMR encoder")),
        (
            {"init_from": "nothing", "contrastive_weight": 0.0},
            ("started from random weights", "no CMR encoder was used"),
        ),
        (
            {"init_from": "pretrain_cmae", "contrastive_weight": 0.0},
            ("cross-modal autoencoder", "no CMR encoder was used"),
        ),
    ],
)
def test_the_head_states_how_an_ecg_model_was_trained(config: dict[str, Any], words: tuple[str, str]) -> None:
    head = card_of(record_of("align", "I50", **config), evidence_of("val")).split("## Origin")[0]
    assert "Predicts heart failure (ICD-10 I50) from a resting 12-lead ECG alone" in head
    assert all(one in head for one in words)


@pytest.mark.parametrize(("cases", "is_small"), [(9, True), (10, False), (40, False), (41, True)])
def test_few_cases_are_a_limit(cases: int, is_small: bool) -> None:
    text = limits_of(record_of("align", "I50"), evidence_of("val", cases=cases))
    assert ("I50 on validation. Such scores mean next to nothing" in text) is is_small


@pytest.mark.parametrize(
    ("counts", "row"),
    [
        ({"cases": 12, "known": 60, "visits": 80}, "| training | 80 | 60 | 12 |"),
        ({"cases": 9, "known": 60, "visits": 60}, "| training | 60 | 60 | <10 |"),
        ({"cases": 55, "known": 60, "visits": 60}, "| training | 60 | 60 | hidden |"),  # five without it
        ({"cases": 12, "known": 60, "visits": 63}, "| training | 63 | hidden | 12 |"),  # three whose label is undecided
    ],
)
def test_small_counts_of_a_split_are_hidden(counts: dict[str, int], row: str) -> None:
    record = {**record_of("align", "I50"), "split_counts": {"train": counts}}
    text = card_of(record, evidence_of("val"))
    assert "| split | visits | with a known target | with the disease |" in text
    assert row in text
