"""Every benchmark runs, at a toy size: what it measures is not checked here."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from benchmarks import (
    feature_store,
    gate,
    growth,
    ingest,
    learning,
    measure,
    raw_cohort,
    simulator,
    store,
    throughput,
    training,
    withdrawal,
)
from benchmarks.__main__ import SUITES
from benchmarks.measure import Row
from eccl.simulate import SimulationConfig, simulate_cohort

pytestmark = pytest.mark.slow


def check(rows: list[Row]) -> None:
    assert rows
    assert all(row.subject_value > 0 and row.reference_value > 0 for row in rows)


def test_every_suite_has_a_measure() -> None:
    modules = {
        module.__name__.rpartition(".")[2]
        for module in (feature_store, gate, ingest, simulator, store, training, withdrawal)
    }
    assert modules == set(SUITES)


def test_readers(tmp_path: Path) -> None:
    config = SimulationConfig(
        participants=2, corruption_share=0, missing_ecg_share=0, missing_cine_share=0, withdrawn=0, slices=(2, 2),
        full_disclosure_share=1.0,
    )  # fmt: skip
    simulate_cohort(tmp_path, config)
    study, recording = next(tmp_path.rglob("*_20209_2_0.zip")), next(tmp_path.rglob("*_20205_2_0.xml"))
    check([ingest.cine(study), ingest.full_disclosure(recording.read_bytes())])


def test_store() -> None:
    check(store.measure())


def test_simulator() -> None:
    check([simulator.straight_into_data(participants=1)])


def test_gate() -> None:
    check(gate.measure(rows=2_000))


def test_feature_store() -> None:
    check(feature_store.measure(visits=200, events=1_000, entities=100))


def test_withdrawal() -> None:
    check(withdrawal.measure(visits=400, raw_participants=24, count=2))


def test_training() -> None:
    check([training.augmentation(), training.groups()])


def test_throughput(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "RESULTS", tmp_path)
    options = ["--preset", "demo", "--stages", "align", "--batch", "2", "--steps", "1", "--records", "4"]
    assert throughput.main(options) == 0
    assert (tmp_path / "throughput.csv").is_file()


def test_growth(tmp_path: Path) -> None:
    recordings = raw_cohort.make_recordings(tmp_path / "distinct", 3)
    rows, _ = growth.measure_growth(tmp_path, recordings, 1, (4, 8), 4)
    assert [row["ecgs"] for row in rows] == [4, 8]


def test_learning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "RESULTS", tmp_path)
    options = ["--participants", "48", "--tasks", "traits", "I48", "--seeds", "42", "--toy"]
    assert learning.main([str(tmp_path / "study"), *options]) == 0
    with (tmp_path / "learning.csv").open() as stream:
        assert {row["stage"] for row in csv.DictReader(stream)} == {"pretrain_ecg", "pretrain_cmr", "align"}
