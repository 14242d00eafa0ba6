"""Traits, diagnoses and their two exports."""

from __future__ import annotations

import csv
import io
import json
from datetime import date

import numpy as np
import pytest

from eccl.readers.tables.dictionary import TRAIT_FIELDS, load_dictionary
from eccl.readers.tables.export import merge_exports, read_table
from eccl.simulate import HeartState, SimulationConfig, draw_cohort, measure_traits
from eccl.simulate.cohort import person_rng
from eccl.simulate.files.diagnoses import FIRST_OCCURRENCE, SPECIAL_DATES, Diagnoses, draw_diagnoses
from eccl.simulate.files.tables import Row, participant_row, rap_csv, ukbconv_csv, withdrawal_list
from eccl.simulate.heart.physiology import DISEASES
from eccl.simulate.heart.traits import BLOCKS


@pytest.fixture(scope="module")
def traits(states: list[HeartState]) -> np.ndarray:
    return np.stack([measure_traits(s, np.random.default_rng(i)) for i, s in enumerate(states)])


def column(traits: np.ndarray, field: int) -> np.ndarray:
    return traits[:, field - TRAIT_FIELDS[0]]


def test_identities_hold_for_measured_values(traits: np.ndarray, states: list[HeartState]) -> None:
    for edv, esv, stroke, fraction in ((24100, 24101, 24102, 24103), (24106, 24107, 24108, 24109)):
        volumes = [column(traits, f) for f in (edv, esv, stroke, fraction)]
        assert volumes[2] == pytest.approx(volumes[0] - volumes[1], rel=1e-6)
        assert volumes[3] == pytest.approx(100 * volumes[2] / volumes[0], rel=1e-6)
    rate = np.array([round(s.cmr_heart_rate) for s in states])
    assert column(traits, 24104) == pytest.approx(column(traits, 24102) * rate / 1000, rel=1e-6)
    area = traits[:, 18:24]
    area = area[~np.isnan(area).any(axis=1)]
    assert (area[:, 0] > area[:, 1]).all()
    assert (area[:, 3] > area[:, 4]).all()


def test_global_values_are_near_their_segments_but_not_equal(traits: np.ndarray) -> None:
    for block in ("thickness", "radial_and_circumferential", "longitudinal"):
        assert BLOCKS[block].stop <= 82
    segments, overall = traits[:, 24:40].mean(axis=1), traits[:, 40]
    known = ~np.isnan(overall)
    assert np.corrcoef(segments[known], overall[known])[0, 1] > 0.9
    assert (segments[known] != overall[known]).all()


def test_measured_traits_follow_the_state(traits: np.ndarray, states: list[HeartState]) -> None:
    pairs = {24100: "lv_edv", 24105: "lv_mass", 24106: "rv_edv", 24110: "la_max", 24118: "aao_area"}
    for field, name in pairs.items():
        measured, truth = column(traits, field), np.array([getattr(s, name) for s in states])
        known = ~np.isnan(measured)
        assert np.corrcoef(measured[known], truth[known])[0, 1] > 0.9


def test_blocks_are_missing_as_a_whole(natural_traits: np.ndarray) -> None:
    missing = np.isnan(natural_traits)
    for name, block in BLOCKS.items():
        inside = missing[:, block]
        if name == "aorta":
            inside = inside[:, [0, 1, 3, 4]]  # distensibility also needs a central pressure
        assert (inside.all(axis=1) == inside.any(axis=1)).all()
    assert not missing[:, BLOCKS["ventricles"]].any()
    assert missing[:, 10].mean() == pytest.approx(0.052, abs=0.015)
    assert missing[:, 18].mean() == pytest.approx(0.071, abs=0.015)
    assert missing[:, 20].mean() == pytest.approx(0.120, abs=0.02)


@pytest.fixture(scope="module")
def natural_traits(states: list[HeartState]) -> np.ndarray:
    return np.stack([measure_traits(states[i % len(states)], np.random.default_rng(i)) for i in range(4000)])


@pytest.fixture(scope="module")
def people() -> list[tuple[int, Row, Diagnoses]]:
    config = SimulationConfig(participants=150, seed=9)
    out = []
    for person in draw_cohort(config):
        diagnoses = draw_diagnoses(person, person_rng(config, person.index, 1))
        values = {v.instance: measure_traits(v.state, person_rng(config, person.index, 2)) for v in person.visits}
        out.append((person.eid, participant_row(person, diagnoses, values), diagnoses))
    return out


def test_every_case_has_a_record_and_nobody_else(people: list[tuple[int, Row, Diagnoses]]) -> None:
    cohort = draw_cohort(SimulationConfig(participants=150, seed=9))
    for person, (_, _, found) in zip(cohort, people, strict=True):
        recorded = {code[:3] for code, _ in found.hospital} | set(found.first) | {c[:3] for c in found.death_causes}
        assert set(person.onset_years) <= recorded
        by_chance = {c[:3] for c in found.death_causes}
        assert (recorded & set(DISEASES)) - by_chance <= set(person.onset_years)


def test_records_come_before_and_after_the_visit(people: list[tuple[int, Row, Diagnoses]]) -> None:
    cohort = draw_cohort(SimulationConfig(participants=150, seed=9))
    before = after = special = 0
    for person, (_, _, found) in zip(cohort, people, strict=True):
        for occurrence in found.first.values():
            if occurrence.day in SPECIAL_DATES:
                special += 1
                continue
            day = date.fromisoformat(occurrence.day)
            assert day > person.birth
            before, after = before + (day < person.imaging.day), after + (day > person.imaging.day)
        if found.death is not None:
            assert found.death > person.visits[-1].day
            assert all(day <= found.death for _, day in found.hospital)
    assert before > 3 * after > 0
    assert special > 0


def read(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode())))


def test_both_dialects_hold_the_same_values(people: list[tuple[int, Row, Diagnoses]]) -> None:
    eids, rows = [p[0] for p in people], [p[1] for p in people]
    flat, platform = read(ukbconv_csv(eids, rows)), read(rap_csv(eids, rows))
    assert len(flat) == len(platform) == len(people) + 2
    assert [row["eid"] for row in flat[-2:]] == ["-1", "W000001"]
    assert [row["eid"] for row in flat] == [row["participant.eid"] for row in platform]
    names = {"31-0.0": "p31", "53-2.0": "p53_i2", "24103-2.0": "p24103_i2", "4080-3.1": "p4080_i3_a1"}
    names |= {"131298-0.0": "p131298", "40000-0.0": "p40000_i0", "41280-0.1": "p41280_a1", "40002-0.0": "p40002_i0_a0"}
    for one, two in zip(flat, platform, strict=True):
        for left, right in names.items():
            assert one[left] == two[f"participant.{right}"]
        codes = [one[name] for name in one if name.startswith("41270-0.") and one[name]]
        assert json.loads(two["participant.p41270"] or "[]") == codes
    assert {f"{field}-2.0" for field in TRAIT_FIELDS} <= set(flat[0])
    assert sum(1 for row in flat if row["24100-3.0"]) == sum(1 for row in rows if any(k.instance == 3 for k in row))


def test_ukbconv_quotes_every_cell(people: list[tuple[int, Row, Diagnoses]]) -> None:
    lines = ukbconv_csv([p[0] for p in people], [p[1] for p in people]).decode().splitlines()
    assert all(line.startswith('"') and line.endswith('"') for line in lines)
    assert all(line.count(",") == line.count('","') == lines[0].count('","') for line in lines)


def test_sources_stand_beside_their_dates(people: list[tuple[int, Row, Diagnoses]]) -> None:
    for _, row, _ in people:
        fields = {key.field for key in row}
        for field in FIRST_OCCURRENCE.values():
            assert (field in fields) == (field + 1 in fields)


def test_withdrawal_list_has_windows_lines_and_no_header() -> None:
    assert withdrawal_list([9_000_012, 9_000_001]) == b"9000001\r\n9000012\r\n"


def test_the_readers_of_this_project_agree_on_both(
    people: list[tuple[int, Row, Diagnoses]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    dictionary = load_dictionary()
    folder = tmp_path_factory.mktemp("tables")
    eids, rows = [p[0] for p in people], [p[1] for p in people]
    (folder / "a.csv").write_bytes(ukbconv_csv(eids, rows))
    (folder / "b.csv").write_bytes(rap_csv(eids, rows))
    exports = [read_table(folder / name, dictionary) for name in ("a.csv", "b.csv")]
    assert [len(export.issues) for export in exports] == [0, 0]
    assert exports[0].values.sort(exports[0].values.columns).equals(exports[1].values.sort(exports[0].values.columns))
    merged, conflicts = merge_exports(exports)
    assert merged.height == exports[0].values.height
    assert conflicts == []
