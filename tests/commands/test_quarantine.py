"""Quarantined files are listed, and read again after a limit was changed."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from eccl.commands.app import app
from eccl.data.parts import read_table
from eccl.ingest.run import run_ingest
from eccl.workspace import Workspace


@pytest.fixture
def raw(raw_cohort: Path, tmp_path: Path) -> Path:
    """Two good ECGs, a broken one, and an empty cine."""
    folder = tmp_path / "raw"
    folder.mkdir()
    good = [path for path in sorted(raw_cohort.rglob("*_20205_*.xml")) if 150_000 < path.stat().st_size < 1_000_000]
    for path in good[:2]:
        shutil.copy(path, folder)
    (folder / f"{9_000_900}_20205_2_0.xml").write_text("<CardiologyXML>")
    (folder / f"{9_000_901}_20209_2_0.zip").touch()
    return folder


def call(place: Workspace, *arguments: str) -> str:
    """Output of ``eccl quarantine``."""
    done = CliRunner().invoke(app, ["quarantine", *arguments, "--workspace", str(place.root)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def set_limit(place: Workspace, before: str, after: str) -> None:
    text = place.params_file.read_text()
    assert before in text
    place.params_file.write_text(text.replace(before, after))


def test_quarantined_files_are_counted_and_listed(raw: Path, new_workspace: Callable[[], Workspace]) -> None:
    place = new_workspace()
    assert call(place, "list") == "Nothing is in quarantine.\n"
    run_ingest(place, raw, workers=1)
    counted = list(csv.DictReader(io.StringIO(call(place, "list", "--csv"))))
    assert {(row["kind"], row["reason"], row["files"]) for row in counted} == {
        ("ecg", "xml_malformed", "1"),
        ("cine", "empty_file", "1"),
    }
    assert all(row["remedy"].endswith(".") and "9000" not in row["example"] for row in counted)
    (named,) = json.loads(call(place, "list", "--files", "--kind", "ecg", "--json"))
    assert named["path"] == f"{9_000_900}_20205_2_0.xml"
    assert "xml_malformed" in call(place, "list", "--reason", "xml_malformed")


def test_a_file_beyond_a_limit_is_read_again_after_the_limit_changed(
    raw: Path, new_workspace: Callable[[], Workspace]
) -> None:
    (raw / f"{9_000_900}_20205_2_0.xml").unlink()  # it would be quarantined before any time has passed
    place = new_workspace()
    slow = "seconds_per_file: 120 "
    set_limit(place, slow, "seconds_per_file: 0.000001 ")
    report = run_ingest(place, raw, workers=1)
    assert report.kinds[0].quarantined == {"time_limit": 2}
    set_limit(place, "seconds_per_file: 0.000001 ", slow)
    assert run_ingest(place, raw, workers=1).kinds[0].skipped == {"quarantined before": 2}
    printed = call(place, "retry", str(raw), "--reason", "memory_limit", "--dry-run")
    assert "ecg: 0 quarantined files would be read again, 0 others" in printed
    assert read_table(place.data, "quarantine").num_rows == 3
    printed = call(place, "retry", str(raw), "--reason", "time_limit", "--workers", "1")
    assert "ecg: 2 expected = 2 written + 0 skipped + 0 quarantined" in printed
    assert "cine: 1 expected = 0 written + 1 skipped" in printed  # it was quarantined for another reason
    assert read_table(place.data, "recordings").num_rows == 2


def test_a_file_beyond_its_limit_is_not_opened(raw: Path, new_workspace: Callable[[], Workspace]) -> None:
    giant = raw / f"{9_000_902}_20205_2_0.xml"
    with giant.open("wb") as stream:
        stream.truncate(1 << 42)  # sparse, 4 TB: hashing it would take hours
    place = new_workspace()
    report = run_ingest(place, raw, workers=1)
    assert report.kinds[0].quarantined == {"file_too_large": 1, "xml_malformed": 1}
    rows = {row["reason"]: row for row in read_table(place.data, "quarantine").to_pylist()}
    assert rows["file_too_large"]["file_sha256"] is None
    assert "limits.xml_mb" in rows["file_too_large"]["detail"]
    assert not run_ingest(place, raw, workers=1).is_changed
    giant.unlink()
    shutil.copy(max(raw.glob("*_20205_*.xml"), key=lambda path: path.stat().st_size), giant)  # the file that was meant
    assert run_ingest(place, raw, workers=1).kinds[0].written == 1
