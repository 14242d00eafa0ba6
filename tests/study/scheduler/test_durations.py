"""The time that is left is what jobs of the same kind took."""

from __future__ import annotations

from pathlib import Path

from eccl.study.scheduler.durations import Durations
from eccl.study.scheduler.events import MARK, read_epoch, read_line, to_line
from eccl.study.scheduler.jobs import Job


def job(stage: str, task: str | None, variant: str, seed: int = 42) -> Job:
    return Job(stage, task, variant, seed, f"{stage}-{task}.{variant}.s{seed}")


def test_the_nearest_likeness_is_taken(tmp_path: Path) -> None:
    known = Durations(tmp_path / "times.json", "small")
    assert known.expect(job("align", "I21", "eccl")) is None
    assert known.left([job("align", "I21", "eccl")]) is None
    assert known.left([]) == 0
    known.add(job("pretrain_ecg", None, "mae"), 10)
    assert known.expect(job("align", "I21", "eccl")) == 10  # any job
    known.add(job("align", "traits", "eccl"), 20)
    assert known.expect(job("align", "I21", "eccl")) == 20  # the same stage
    known.add(job("align", "I42", "triplet"), 40)
    assert known.expect(job("align", "I21", "eccl")) == 40  # and a disease, too
    known.add(job("align", "I48", "eccl"), 60)
    assert known.expect(job("align", "I21", "eccl", 44)) == 60  # and the same arm, too
    assert known.left([job("align", "I21", "eccl"), job("pretrain_ecg", None, "mae")], spent=15) == 60 - 15 + 10
    assert known.left([job("align", "I21", "eccl")], spent=99) == 0


def test_times_are_remembered_by_preset_and_the_latest_count(tmp_path: Path) -> None:
    known = Durations(tmp_path / "times.json", "small")
    for seconds in (1000, 1, 2, 3, 4, 5):
        known.add(job("align", "I21", "eccl"), seconds)
    again = Durations(tmp_path / "times.json", "small")
    assert again.expect(job("align", "I21", "eccl")) == 3
    assert Durations(tmp_path / "times.json", "paper").expect(job("align", "I21", "eccl")) is None


def test_a_damaged_file_costs_the_estimate_only(tmp_path: Path) -> None:
    (tmp_path / "times.json").write_text("{")
    known = Durations(tmp_path / "times.json", "small")
    known.add(job("align", "I21", "eccl"), 5)
    assert Durations(tmp_path / "times.json", "small").expect(job("align", "I21", "eccl")) == 5


def test_events_are_told_among_a_stages_own_lines() -> None:
    assert to_line("finished").startswith(MARK)
    assert read_line(to_line("finished")) == "finished"
    assert read_line("align-I21  epoch 3/25  lr 0.1  12/s  left 0:00:12") is None
    assert read_epoch("align-I21  epoch 3/25  lr 0.1  12/s  left 0:00:12") == "epoch 3/25, left 0:00:12"
    assert read_epoch("Updating lock file") is None
