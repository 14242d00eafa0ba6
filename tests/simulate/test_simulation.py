"""A whole cohort on disk: layout, truth, determinism, reuse."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
import zipfile
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml
from pydantic import ValidationError

from eccl.errors import ConfigError, Reason, Rejected
from eccl.readers.ecg.cardiosoft import read_ecg_xml
from eccl.simulate import SimulationConfig, SimulationSummary, simulate_cohort
from eccl.simulate.cohort import draw_cohort
from eccl.simulate.files.corruption import CINE_CORRUPTIONS, ECG_CORRUPTIONS, corrupt_ecg
from eccl.workspace import shipped

Cohort = tuple[Path, SimulationSummary]


def tree(folder: Path) -> dict[str, str]:
    """Relative path -> hash of every file."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def truth(folder: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO((folder / "truth.txt").read_text())))


def test_params_hold_exactly_fields_of_the_configuration() -> None:
    params = yaml.safe_load(shipped("params.yaml").read_text())["simulate"]
    assert SimulationConfig.model_validate(params).participants == params["participants"]
    with pytest.raises(ValidationError):
        SimulationConfig.model_validate({**params, "particpants": 3})


@pytest.mark.parametrize(
    "wrong", [{"slices": (5, 4)}, {"withdrawn": 9, "participants": 8}, {"corruption_share": 1.5}, {"matrix_sizes": ()}]
)
def test_impossible_configurations_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        SimulationConfig.model_validate(wrong)


def test_every_file_is_in_the_truth_table(small_cohort: Cohort) -> None:
    out, summary = small_cohort
    expected = Counter(
        (f"{row['eid']}_{ {'ecg': 20205, 'cine': 20209}[row['kind']] }_{row['instance']}_0") for row in truth(out)
    )
    found = Counter(path.stem for path in out.rglob("*") if path.suffix in {".xml", ".zip"})
    assert expected == found
    assert summary.ecg_files + summary.cine_files == len(truth(out))
    assert set(expected.values()) == {1}


def test_layout_of_the_research_platform(small_cohort: Cohort) -> None:
    out, _ = small_cohort
    for path in out.rglob("*.xml"):
        assert path.relative_to(out).parts[:3] == ("Electrocardiogram", "Resting", path.name[:2])
    for path in out.rglob("*.zip"):
        assert path.relative_to(out).parts[:3] == ("Heart MRI", "Short axis", path.name[:2])
    assert {path.name for path in (out / "tables").iterdir()} == {"ukb99999.csv", "participant.csv"}


def test_flat_layout(tmp_path: Path, small_config: SimulationConfig) -> None:
    config = small_config.model_copy(update={"layout": "flat", "participants": 2, "corruption_share": 0.0})
    simulate_cohort(tmp_path / "raw", config)
    assert {path.parent.name for path in (tmp_path / "raw").rglob("*_2_0.*")} == {"ecg", "cmr"}


def test_workers_do_not_change_a_byte(tmp_path: Path, small_cohort: Cohort, small_config: SimulationConfig) -> None:
    out, summary = small_cohort
    seen: list[tuple[int, int]] = []
    again = simulate_cohort(
        tmp_path / "again", small_config, workers=2, on_progress=lambda done, of: seen.append((done, of))
    )
    assert again == summary
    assert tree(tmp_path / "again") == tree(out)
    assert seen == [(n, 6) for n in range(1, 7)]


def test_a_complete_folder_is_left_alone(small_cohort: Cohort, small_config: SimulationConfig) -> None:
    out, summary = small_cohort
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    again = simulate_cohort(out, small_config)
    assert again.reused
    assert again.ecg_files == summary.ecg_files
    assert again.corruptions == summary.corruptions
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == before


def test_another_cohort_is_not_overwritten(small_cohort: Cohort, small_config: SimulationConfig) -> None:
    with pytest.raises(ConfigError, match="another configuration"):
        simulate_cohort(small_cohort[0], small_config.model_copy(update={"seed": 6}))


def test_a_folder_of_other_files_is_refused(tmp_path: Path, small_config: SimulationConfig) -> None:
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(ConfigError, match="not empty"):
        simulate_cohort(tmp_path, small_config)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_an_interrupted_run_is_completed(tmp_path: Path, small_cohort: Cohort, small_config: SimulationConfig) -> None:
    class Killed(Exception):
        pass

    def kill(done: int, of: int) -> None:
        if done == 2:
            raise Killed

    out = tmp_path / "raw"
    with pytest.raises(Killed):
        simulate_cohort(out, small_config, on_progress=kill)
    assert not (out / "simulation.json").exists()
    simulate_cohort(out, small_config)
    assert tree(out) == tree(small_cohort[0])


def test_withdrawn_people_have_files(small_cohort: Cohort) -> None:
    out, summary = small_cohort
    lines = (out / "w99999_20250101.csv").read_bytes().decode().split("\r\n")
    assert len(lines) == summary.withdrawn + 1
    with_files = {row["eid"] for row in truth(out)}
    assert set(lines[:-1]) <= with_files


def test_no_ids_outside_values(small_cohort: Cohort) -> None:
    out, _ = small_cohort
    eids = {row["eid"].encode() for row in truth(out)}
    content = [(out / "simulation.json").read_bytes()]
    for path in out.rglob("*.xml"):
        content.append(path.read_bytes())
    for path in out.rglob("*.zip"):
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                content += [archive.read(name)[:4000] for name in archive.namelist()]
    for text in content:
        # As a number of its own: seven digits may occur by chance inside a UID of 39.
        assert not eids & set(re.findall(rb"(?<![0-9])[0-9]{7}(?![0-9])", text))


def test_summary_counts_what_was_corrupted(small_cohort: Cohort) -> None:
    out, summary = small_cohort
    corrupted = [row for row in truth(out) if row["corruption"] != "none"]
    assert sum(count.files for count in summary.corruptions) == len(corrupted) > 0
    manifest = json.loads((out / "simulation.json").read_text())
    assert manifest["summary"]["config_sha256"] == summary.config_sha256
    assert all(row["expected"] == "accepted" for row in truth(out) if row["corruption"] == "none")


def test_expected_outcomes_name_known_reasons() -> None:
    for expected in (*ECG_CORRUPTIONS.values(), *CINE_CORRUPTIONS.values()):
        outcome, _, reason = expected.partition(":")
        assert outcome in {"accepted", "flagged", "quarantined"}
        if outcome == "quarantined":
            assert reason in {r.value for r in Reason}


@pytest.mark.parametrize(("kind", "expected"), ECG_CORRUPTIONS.items())
def test_the_ecg_reader_does_what_is_expected(small_cohort: Cohort, kind: str, expected: str) -> None:
    out, _ = small_cohort
    row = next(row for row in truth(out) if row["kind"] == "ecg" and row["corruption"] == "none")
    intact = next(out.rglob(f"{row['eid']}_20205_{row['instance']}_0.xml")).read_bytes()
    ElementTree.fromstring(intact)
    changed = corrupt_ecg(intact, kind)
    assert changed != intact
    try:
        found = "flagged" if read_ecg_xml(changed).flags else "accepted"
    except Rejected as rejected:
        found = f"quarantined:{rejected.reason.value}"
    assert found == expected


def test_shares_are_whole_numbers_of_people() -> None:
    people = draw_cohort(SimulationConfig(participants=40, second_visit_share=0.25, missing_cine_share=0.1))
    assert sum(len(person.visits) == 2 for person in people) == 10
    assert sum(not person.imaging.has_cine for person in people) == 4
