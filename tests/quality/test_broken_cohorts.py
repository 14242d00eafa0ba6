"""For every expectation on the data a broken cohort that violates it, and its severity."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from eccl.quality.checks import check_schemas
from eccl.quality.results import ValidationRow

Rows = list[dict[str, Any]]
Tables = dict[str, Rows]
Run = Callable[..., list[ValidationRow]]


def _set(table: str, column: str, value: Any, index: int = 3) -> Callable[[Tables], None]:
    def change(tables: Tables) -> None:
        tables[table][index][column] = value

    return change


def _repeat(table: str) -> Callable[[Tables], None]:
    return lambda tables: tables[table].append(dict(tables[table][0]))


def _drop(table: str, index: int = 0) -> Callable[[Tables], None]:
    return lambda tables: tables[table].pop(index) and None


def _set_all(table: str, column: str, value: object) -> Callable[[Tables], None]:
    """Change a column of every row: what a wrong unit does."""

    def change(tables: Tables) -> None:
        for row in tables[table]:
            row[column] = value

    return change


def _trait(field: int, change: Callable[[float], float], everywhere: bool = False) -> Callable[[Tables], None]:
    def apply(tables: Tables) -> None:
        rows = [row for row in tables["traits"] if row["field_id"] == field]
        for row in rows if everywhere else rows[:1]:
            row["value"] = change(row["value"])

    return apply


def _label(definition: str, value: bool) -> Callable[[Tables], None]:
    def apply(tables: Tables) -> None:
        # The second participant has no diagnosis at all.
        rows = [row for row in tables["labels"] if row["eid"] == tables["participants"][1]["eid"]]
        next(row for row in rows if row["definition"] == definition)["value"] = value

    return apply


def _second_row_of_a_visit(tables: Tables) -> None:
    newer = tables["recordings"][0] | {"row": 900}
    tables["recordings"].append(newer)


def _swap_recordings(tables: Tables) -> None:
    first, second = tables["pairs"][:2]
    first["recording_row"], second["recording_row"] = second["recording_row"], first["recording_row"]


def _all_in_train(tables: Tables) -> None:
    for row in [*tables["splits"], *tables["pairs"]]:
        row["split"] = "train"


def _two_splits(tables: Tables) -> None:
    tables["splits"].append(tables["splits"][0] | {"split": "test", "bucket": 0.9})


def _unknown_participant(tables: Tables) -> None:
    tables["visits"].append(tables["visits"][0] | {"eid": 9_990_017})


def _shared_file(tables: Tables) -> None:
    tables["recordings"][1]["file_sha256"] = tables["recordings"][0]["file_sha256"]


def _lost_early(tables: Tables) -> None:
    tables["participants"][3]["lost_to_follow_up_on"] = date(1987, 1, 1)


def _name_participant(tables: Tables) -> None:
    tables["exclusions"][0]["detail"] = f"file of {tables['exclusions'][0]['eid']}"


def _unnamed_certificate(tables: Tables) -> None:
    row = {"modality": "ecg", "row": 900, "deleted_on": date(2026, 3, 1), "certificate": "?"}
    tables["deletions"].append(row)


@dataclass(frozen=True)
class Broken:
    """One way to break a cohort, and what must notice."""

    name: str
    change: Callable[[Tables], None]
    suite: str
    column: str
    expectation: str
    severity: str = "critical"


MAX, BETWEEN, IN_SET = "column_max_to_be_between", "column_values_to_be_between", "column_values_to_be_in_set"
UNIQUE, COMPOUND, NULL = "column_values_to_be_unique", "compound_columns_to_be_unique", "column_values_to_not_be_null"
MATCH = "column_values_to_match_regex"
GREATER = "column_pair_values_a_to_be_greater_than_b"

BROKEN = [
    # recordings
    Broken("implausible rate", _set("recordings", "ventricular_rate_bpm", 400.0), "recordings", "ventricular_rate_bpm", BETWEEN),
    Broken("leads swapped", _set("recordings", "lead_identity_error_uv", 51.0), "recordings", "lead_identity_error_uv", BETWEEN),
    Broken("flat lead", _set("recordings", "flat_leads", 1), "recordings", "flat_leads", IN_SET, "warning"),
    Broken("slot twice", _set("recordings", "row", 2), "recordings", "row", UNIQUE),
    Broken("row repeated", _repeat("recordings"), "recordings", "eid, instance, row", COMPOUND),
    Broken("other sample rate", _set("recordings", "sample_rate_hz", 250.0), "recordings", "sample_rate_hz", IN_SET),
    Broken("no checksum", _set("recordings", "clean_sha256", None), "recordings", "clean_sha256", NULL),
    Broken("absolute path", _set("recordings", "path", "/mnt/x.xml"), "recordings", "has_relative_path", IN_SET),
    Broken("shared file", _shared_file, "facts", "recordings_shared_by_participants", MAX),
    Broken("file of another visit", _set("recordings", "path", "ecg/77_20205_2_0.xml"), "recordings", "path_names_visit", IN_SET),
    Broken("flags as a sentence", _set("recordings", "flags", "Too noisy!"), "recordings", "has_plain_flags", IN_SET),
    Broken("control characters", _set("recordings", "diagnosis", "Sinus\x00"), "recordings", "has_plain_texts", IN_SET, "warning"),
    Broken("other period", _set_all("recordings", "rr_samples", 1200), "recordings", "rr_samples_error", BETWEEN, "warning"),
    Broken("other formula", _set_all("recordings", "qtc_interval_ms", 520.0), "recordings", "qtc_minus_bazett_ms", BETWEEN, "warning"),
    Broken("PQ in samples", _set_all("recordings", "pq_interval_ms", 1900.0), "recordings", "rr_minus_pq_and_qrs_ms", BETWEEN, "warning"),
    # cines
    Broken("zip of another visit", _set("cines", "path", "cine/77_20209_2_0.zip"), "cines", "path_names_visit", IN_SET),
    Broken("box beside image", _set("cines", "window_top", 195), "cines", "box_shows_heart", IN_SET),
    Broken("huge field of view", _set("cines", "matrix_rows", 900), "cines", "field_of_view_mm", BETWEEN, "warning"),
    Broken("flat stack", _set_all("cines", "slice_step_mm", 1.0), "cines", "stack_height_mm", BETWEEN, "warning"),
    Broken("box outside", _set("cines", "box_bottom", 113), "cines", "box_bottom", BETWEEN),
    Broken("empty box", _set("cines", "box_top", 84), "cines", "box_bottom, box_top", GREATER),
    Broken("flat intensity", _set("cines", "intensity_high", 0.0), "cines", "intensity_high, intensity_low", GREATER),
    Broken("frame rule", _set("cines", "native_frames", 30), "cines", "follows_frame_rule", IN_SET),
    Broken("spacing in cm", _set("cines", "spacing_row_mm", 0.183), "cines", "spacing_row_mm", BETWEEN),
    Broken("confidence", _set("cines", "box_confidence", 1.2), "cines", "box_confidence", BETWEEN),
    Broken("frame repeated", _set("cines", "missing_frames", 1), "cines", "missing_frames", IN_SET, "warning"),
    Broken("frames repeated", _set("cines", "missing_frames", 6), "cines", "missing_frames", BETWEEN),
    # quarantine
    Broken("unknown reason", _set("quarantine", "reason", "bad_luck", 0), "quarantine", "reason", IN_SET),
    Broken("wrong kind", _set("quarantine", "kind", "ecg", 0), "quarantine", "reason_fits_kind", IN_SET),
    Broken("no remedy", _set("quarantine", "remedy", " ", 0), "quarantine", "has_remedy", IN_SET),
    Broken("slot quarantined and committed", _set("quarantine", "row", 3, 0), "facts", "cine_slots_in_quarantine", MAX),
    # people and visits
    Broken("withdrawn id", _set("participants", "eid", -7), "participants", "eid_sign", BETWEEN),
    Broken("participant twice", _repeat("participants"), "participants", "eid", UNIQUE),
    Broken("sex undecoded", _set("participants", "sex", "1"), "participants", "sex", IN_SET),
    Broken("height in m", _set_all("visits", "height_cm", 1.7), "visits", "height_cm", BETWEEN, "critical"),
    Broken("pressures swapped", _set_all("visits", "systolic_mmhg", 70.0), "visits", "systolic_mmhg, diastolic_mmhg", GREATER),
    Broken("no date", _set("visits", "visit_date", None), "visits", "visit_date", NULL, "warning"),
    Broken("unknown participant", _unknown_participant, "facts", "visits_without_participant", MAX),
    Broken("dead visitor", _set("participants", "death_date", date(2015, 1, 1)), "facts", "visits_after_death", MAX, "warning"),
    Broken("repeat before first", _set("visits", "visit_date", date(2031, 1, 1), 1), "facts", "visits_out_of_order", MAX, "warning"),
    Broken("died too early", _set("participants", "death_date", date(1987, 1, 1)), "participants", "death_year", BETWEEN, "warning"),
    Broken("lost too early", _lost_early, "participants", "lost_year", BETWEEN, "warning"),
    Broken("unknown centre", _set("visits", "centre", 7), "visits", "centre", BETWEEN, "warning"),
    Broken("no pulse pressure", _set_all("visits", "systolic_mmhg", 84.0), "visits", "pulse_pressure_mmhg", BETWEEN, "warning"),
    Broken("another age", _set("visits", "age_years", 55.0), "facts", "visits_at_another_age", MAX, "warning"),
    Broken("late ECG", _set("visits", "visit_date", date(2019, 3, 1), 0), "facts", "recordings_far_from_visit_date", MAX, "warning"),
    Broken("ECG and cine apart", _set("cines", "acquired_on", date(2019, 3, 1)), "facts", "pairs_of_distant_days", MAX, "warning"),
    # traits
    Broken("mass in ounces", _trait(24105, lambda v: v / 28, True), "phenotypes", "mass_to_volume_g_per_ml", BETWEEN, "warning"),
    Broken("aorta closes", _trait(24119, lambda v: v / 9, True), "phenotypes", "pulsatile_area_share", BETWEEN, "warning"),
    Broken("output in mL", _trait(24104, lambda v: v * 1000, True), "facts", "cardiac_output_against_cycle_share", MAX, "warning"),
    Broken("trait without position", _set("fields", "trait_index", None), "facts", "trait_positions_missing", MAX),
    Broken("two names alike", _set("fields", "short_name", "trait_24100"), "fields", "short_name", UNIQUE),
    Broken("name with a dash", _set("fields", "short_name", "LV-EF"), "fields", "short_name", "column_values_to_match_regex"),
    Broken("unknown value type", _set("fields", "value_type", "number"), "fields", "value_type", IN_SET),
    Broken("EF wrong", _trait(24103, lambda v: v + 5), "phenotypes", "lv_ejection_fraction_error", BETWEEN),
    Broken("SV wrong", _trait(24108, lambda v: v + 5), "phenotypes", "rv_stroke_volume_error_ml", BETWEEN),
    Broken("aorta upside down", _trait(24119, lambda v: v + 90), "phenotypes", "field_24118, field_24119", GREATER),
    Broken("strain sign", _trait(24157, lambda v: -v, True), "phenotypes", "field_24157", BETWEEN),
    Broken("mass in kg", _trait(24105, lambda v: v / 1000, True), "phenotypes", "field_24105", BETWEEN),
    Broken("negative volume", _trait(24110, lambda v: -v), "phenotypes", "impossible_values", BETWEEN),
    Broken("NaN", _trait(24120, lambda v: float("nan")), "traits", "is_finite", IN_SET),
    Broken("trait twice", _repeat("traits"), "traits", "eid, instance, field_id", COMPOUND),
    Broken("trait without name", _drop("fields"), "facts", "traits_without_field", MAX),
    # diagnoses and labels
    Broken("placeholder date", _set("diagnoses", "date", date(1902, 2, 2), 0), "diagnoses", "has_placeholder_date", IN_SET),
    Broken("dotted code", _set("diagnoses", "code", "I21.9", 0), "diagnoses", "code", "column_values_to_match_regex"),
    Broken("status", _set("diagnoses", "date_status", "unknown", 0), "diagnoses", "date_status_agrees", IN_SET),
    Broken("label without code", _label("ever", True), "facts", "labels_against_diagnoses", MAX),
    Broken("prevalent, never", _label("prevalent", True), "facts", "labels_without_ever", MAX),
    Broken("label missing", _drop("labels"), "facts", "pairs_without_label", MAX),
    Broken("no horizon", _set("labels", "horizon_days", None, 2), "labels", "follows_horizon_rule", IN_SET),
    Broken("ever undecided", _set("labels", "value", None, 0), "labels", "ever_is_decided", IN_SET),
    Broken("false with a date", _set("labels", "date", date(2011, 1, 1), 4), "labels", "undecided_has_no_date", IN_SET),
    Broken("prevalent later", _set("labels", "date", date(2022, 1, 1), 1), "facts", "labels_on_the_wrong_side_of_the_visit", MAX),
    Broken("label of no visit", _set("labels", "instance", 3, 0), "facts", "labels_without_visit", MAX),
    Broken("label of an unknown participant", _set("labels", "eid", 9_990_017, 0), "facts", "labels_without_participant", MAX),
    Broken("ill before birth", _set("diagnoses", "date", date(1940, 2, 2), 0), "facts", "diagnoses_before_birth", MAX, "warning"),
    Broken("ill after death", _set("participants", "death_date", date(2009, 1, 1), 0), "facts", "diagnoses_after_death", MAX, "warning"),
    # splits and pairs
    Broken("pair in another split", _set("pairs", "split", "test"), "facts", "pairs_with_other_split", MAX),
    Broken("two splits", _two_splits, "facts", "participants_in_two_splits", MAX),
    Broken("two split rows", _two_splits, "splits", "eid", UNIQUE),
    Broken("split missing", _drop("splits"), "facts", "pairs_without_split", MAX),
    Broken("one split only", _all_in_train, "facts", "split_share_deviation", MAX, "warning"),
    Broken("empty splits", _all_in_train, "facts", "splits_without_pairs", MAX, "warning"),
    Broken("unknown split", _set("splits", "split", "holdout"), "splits", "split", IN_SET),
    Broken("bucket of 1", _set("splits", "bucket", 1.0), "splits", "bucket", BETWEEN),
    Broken("pair without recording", _drop("recordings"), "facts", "pairs_without_current_recording", MAX),
    Broken("pair of others", _swap_recordings, "facts", "pairs_without_current_recording", MAX),
    Broken("superseded recording", _second_row_of_a_visit, "facts", "pairs_without_current_recording", MAX),
    Broken("pair without cine", _drop("cines"), "facts", "pairs_without_current_cine", MAX),
    Broken("pair lost", _drop("pairs"), "facts", "imaging_visits_unaccounted_for", MAX),
    Broken("exclusion lost", lambda tables: tables["exclusions"].clear(), "facts", "imaging_visits_unaccounted_for", MAX),
    Broken("trait count", _set("pairs", "trait_count", 81), "facts", "pairs_with_other_trait_count", MAX),
    Broken("gap", _set("pairs", "gap_days", 3), "facts", "pairs_with_other_gap", MAX),
    Broken("other date", _set("pairs", "visit_date", date(2018, 5, 1) + timedelta(40)), "facts", "pairs_with_other_visit_date", MAX),
    Broken("exclusion names", _name_participant, "exclusions", "names_participant", IN_SET),
    Broken("quarantine without reason", _set("exclusions", "detail", "found none", 1), "exclusions", "reason_fits_detail", IN_SET),
    Broken("certificate unnamed", _unnamed_certificate, "deletions", "certificate", MATCH),
    Broken("visit before imaging", _set("pairs", "visit_date", date(2009, 1, 1)), "pairs", "visit_year", BETWEEN, "warning"),
    Broken("unfounded exclusion", _set("exclusions", "reason", "no_ecg", 0), "facts", "exclusions_contradicted", MAX),
]  # fmt: skip


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.name.replace(" ", "-"))
def test_broken_cohort_is_noticed(broken: Broken, tables: Tables, cohort: ModuleType, run: Run, tmp_path: Path) -> None:
    broken.change(tables)
    rows = run(cohort.write_cohort(tmp_path, tables), broken.suite, column=broken.column)
    failed = {(row.column_name, row.expectation, row.severity) for row in rows if not row.success}
    assert (broken.column, f"expect_{broken.expectation}", broken.severity) in failed


def test_valid_cohort_meets_every_suite_that_is_broken_here(
    cohort: ModuleType, tables: Tables, run: Run, tmp_path: Path
) -> None:
    suites = sorted({broken.suite for broken in BROKEN})
    rows = run(cohort.write_cohort(tmp_path, tables), *suites)
    assert [row for row in rows if not row.success] == []


def test_one_outlier_among_many_is_counted_but_tolerated(
    cohort: ModuleType, tables: Tables, run: Run, tmp_path: Path
) -> None:
    _trait(24105, lambda value: 600.0)(tables)
    rows = run(cohort.write_cohort(tmp_path, tables), "phenotypes")
    [mass] = [row for row in rows if row.column_name == "field_24105"]
    assert (mass.success, mass.unexpected_count) == (True, 1)


def _labelled(tables: Tables, first: int, cases: dict[str, int]) -> None:
    """2,500 participants whose labels say how many have each disease."""
    tables["labels"] = [
        {"eid": first + number, "instance": 2, "code": code, "definition": "ever", "value": number < ill}
        for code, ill in cases.items()
        for number in range(2500)
    ]


def test_prevalences_are_checked_among_many_real_participants(
    cohort: ModuleType, tables: Tables, run: Run, tmp_path: Path
) -> None:
    usual = {"I21": 55, "I42": 10, "I48": 97, "I50": 30}
    _labelled(tables, 1, usual)
    assert all(row.success for row in run(cohort.write_cohort(tmp_path / "usual", tables), "prevalence"))
    _labelled(tables, 1, usual | {"I48": 0, "I50": 900})
    rows = run(cohort.write_cohort(tmp_path / "lost", tables), "prevalence")
    assert {(row.column_name, row.severity) for row in rows if not row.success} == {
        ("i48_percent", "warning"),
        ("i50_percent", "warning"),
    }
    _labelled(tables, 9_000_001, usual | {"I50": 900})  # enriched, as simulated cohorts are
    assert all(row.success for row in run(cohort.write_cohort(tmp_path / "simulated", tables), "prevalence"))


def test_missing_column_fails_its_expectations_and_no_others(
    cohort: ModuleType, tables: Tables, run: Run, tmp_path: Path
) -> None:
    workspace = cohort.write_cohort(tmp_path, tables, without={"recordings": "ventricular_rate_bpm"})
    failed = [row for row in run(workspace, "recordings") if not row.success]
    assert {row.column_name for row in failed} == {None, "ventricular_rate_bpm", "rate_minus_60000_by_rr_bpm"}
    [columns] = [row for row in failed if row.column_name is None]
    assert columns.severity == "critical"
    assert columns.observed == "missing columns: ventricular_rate_bpm"


def test_missing_column_fails_the_facts_that_need_it(
    cohort: ModuleType, tables: Tables, run: Run, tmp_path: Path
) -> None:
    workspace = cohort.write_cohort(tmp_path, tables, without={"pairs": "split"})
    failed = {row.column_name: row for row in run(workspace, "facts") if not row.success}
    assert set(failed) == {"participants_in_two_splits", "pairs_with_other_split", "splits_without_pairs"}
    assert failed["pairs_with_other_split"].severity == "critical"
    assert str(failed["pairs_with_other_split"].observed).startswith("could not be evaluated")


def test_schemas_notice_duplicate_keys_nulls_and_missing_columns(
    cohort: ModuleType, tables: Tables, tmp_path: Path
) -> None:
    _repeat("visits")(tables)
    tables["splits"][0]["split"] = None
    workspace = cohort.write_cohort(tmp_path, tables, without={"cines": "flags"})
    failed = {row.table_name: row.observed for row in check_schemas(workspace) if not row.success}
    assert set(failed) == {"visits", "splits", "cines"}
    assert "flags" in str(failed["cines"])


def test_text_where_numbers_belong_is_a_failure_and_not_a_crash(
    cohort: ModuleType, tables: Tables, run: Run, tmp_path: Path
) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    workspace = cohort.write_cohort(tmp_path, tables)
    file = workspace.tables / "splits.parquet"
    table = pq.read_table(file)
    words = pa.array([f"{eid}" for eid in table["eid"].to_pylist()])
    pq.write_table(table.set_column(table.schema.get_field_index("bucket"), "bucket", words), file)
    rows = run(workspace, "splits")
    [bucket] = [row for row in rows if row.column_name == "bucket" and row.expectation.endswith("between")]
    assert not bucket.success
    assert bucket.observed == "could not be evaluated: the column's type does not fit"
