from __future__ import annotations

import json
import re

import polars as pl
import pytest

from eccl.cards.evidence import gather
from eccl.cards.write import cards_folder, write_cards
from eccl.data.parts import data_version, read_table
from eccl.errors import FeatureError
from eccl.evaluation.test_split.selection import selection_file
from eccl.training.runs import load_run
from eccl.workspace import Workspace

pytestmark = pytest.mark.slow

SECTIONS = ["Origin", "Arm", "Performance", "Known limits", "Parameters"]


def open_test_split(place: Workspace) -> None:
    """Write what the stage `evaluate` records."""
    records = [load_run(place, folder.name).record for folder in place.models.iterdir() if "." not in folder.name]
    runs = {one["run"]: {name: one[name] for name in ("run_id", "weights_sha256")} for one in records}
    scope = {"data_version": data_version(place.data), "label_definition": "ever", "instances": [2, 3]}
    (place.reports / "metrics.json").write_text(json.dumps({**scope, "runs": runs}))


def card_of(place: Workspace, run: str) -> str:
    (path,) = write_cards(place, [run])
    assert path == cards_folder(place) / f"{run}.md"
    return path.read_text()


def test_every_finished_run_gets_a_card_without_participant_ids(own: Workspace) -> None:
    written = write_cards(own, [])
    assert {path.stem for path in written} == {folder.name for folder in own.models.iterdir()}
    eids = {str(eid) for eid in read_table(own.data, "splits", ["eid"]).column("eid").to_pylist()}
    for path in written:
        text = path.read_text()
        found = re.findall(r"^## (.+)$", text, re.MULTILINE)
        assert [one for one in found if one in SECTIONS] == SECTIONS, path.name
        assert not eids & set(re.findall(r"\d+", text))
        assert "nan" not in text.split()
        assert str(load_run(own, path.stem).run_id) in text
    before = (cards_folder(own) / "align-I50.md").stat()
    card_of(own, "align-I50")  # equal bytes are not written again
    assert (cards_folder(own) / "align-I50.md").stat() == before


def test_small_numbers_of_cases_are_hidden(own: Workspace) -> None:
    record = json.loads((own.run_folder("align-I50") / "run.json").read_text())
    assert 0 < record["split_counts"]["val"]["cases"] < 10
    text = card_of(own, "align-I50")
    assert "| validation | 27 | 27 | <10 |" in text
    assert "| with the disease | <10 |" in text
    assert "Fewer than 10 people with, or without, the disease: I50 on validation" in text
    assert "| AUC | – |" in text
    assert re.search(r"^\| I50 \| too few participants", text, re.MULTILINE)
    assert "Every participant is simulated" in text


def test_scores_of_the_test_split_need_the_stage_evaluate(own: Workspace) -> None:
    run = load_run(own, "align-I50")
    before = gather(own, run)
    assert before is not None
    assert set(before.scores) == {"val"}
    assert "stage `evaluate`" in card_of(own, "align-I50")
    open_test_split(own)
    after = gather(own, run)
    assert after is not None
    assert set(after.scores) == {"val", "test"}
    assert "| score | validation | test |" in card_of(own, "align-I50")
    opened = json.loads((own.reports / "metrics.json").read_text())
    for closed in (
        {**opened, "data_version": "0" * 16},
        {
            **opened,
            "runs": {**opened["runs"], "align-I50": {**opened["runs"]["align-I50"], "weights_sha256": "0" * 64}},
        },
        {"data_version": opened["data_version"]},
    ):
        (own.reports / "metrics.json").write_text(json.dumps(closed))
        other = gather(own, run)
        assert other is not None
        assert set(other.scores) == {"val"}


def test_an_arm_is_tested_only_within_the_frozen_selection(own: Workspace) -> None:
    run = load_run(own, "align-I50.neither.s42")
    open_test_split(own)  # of the workspace's own runs
    assert "`eccl table1` freezes a selection" in card_of(own, "align-I50.neither.s42")
    entry = {"run_id": run.run_id, "weights_sha256": run.record["weights_sha256"]}
    content = {
        "data_version": data_version(own.data), "preset": "tiny", "label_definition": "ever", "instances": [2, 3],
        "selection": "0" * 64, "runs": {"align-I50.neither.s42": entry},
    }  # fmt: skip
    selection_file(own).parent.mkdir(parents=True)
    selection_file(own).write_text(json.dumps(content))
    assert "| score | validation | test |" in card_of(own, "align-I50.neither.s42")
    content["runs"] = {"align-I50.neither.s42": {**entry, "weights_sha256": "0" * 64}}
    selection_file(own).write_text(json.dumps(content))
    assert "`eccl table1` freezes a selection" in card_of(own, "align-I50.neither.s42")


def test_an_arm_lists_its_changes(own: Workspace) -> None:
    text = card_of(own, "align-I50.neither.s42")
    assert "`neither`, seed 42: W/O SSL; W/O CL." in text
    assert "- `align.contrastive_weight`: `0.0`" in text
    assert "- `align.init_from`: `nothing`" in text
    assert "align.seed" not in text
    assert "| parents | none |" in text
    assert "The workspace's own run" in card_of(own, "align-I50")
    own.arms_file.unlink()  # the run itself has recorded it
    assert card_of(own, "align-I50.neither.s42") == text
    file = own.run_folder("align-I50.neither.s42") / "run.json"
    record = json.loads(file.read_text())
    del record["arm"]  # as runs were before
    file.write_text(json.dumps(record))
    assert "What the arm changed was not recorded" in card_of(own, "align-I50.neither.s42")


def test_the_card_of_a_probe_describes_a_probe(own: Workspace) -> None:
    text = card_of(own, "probe-I50")
    assert "a linear model on the frozen embedding of `align-traits`" in text
    assert re.search(r"^\| penalty \| \S+, chosen among 1, 100 by validation's AUC \|", text, re.MULTILINE)
    assert "Validation chose the penalty" in text
    assert "does not see amplitudes" in text  # what its encoder reads
    (own.run_folder("align-traits") / "run.json").unlink()
    assert "amplitudes" not in card_of(own, "probe-I50")


def test_traits_have_name_and_unit(own: Workspace) -> None:
    text = card_of(own, "align-traits")
    assert re.search(r"^\| 24100 \| LV end diastolic volume \| mL \| -?\d", text, re.MULTILINE)
    assert "Labels" not in text.split("## Known limits")[0]  # of traits there are none


def test_a_run_of_all_tasks_has_scores_of_traits_and_diseases(own: Workspace) -> None:
    evidence = gather(own, load_run(own, "align-all"))
    assert evidence is not None
    assert [one.target for one in evidence.scores["val"]] == ["traits", "I21", "I42", "I48", "I50"]
    text = card_of(own, "align-all")
    fields = pl.DataFrame(read_table(own.data, "fields")).filter(pl.col("trait_index").is_not_null())
    assert all(f"| {field_id} |" in text for field_id in fields["field_id"])
    assert "## Calibration" in text


def test_the_score_is_that_of_the_features(own: Workspace) -> None:
    evidence = gather(own, load_run(own, "pretrain_cmr-traits"))
    assert evidence is not None
    (scores,) = evidence.scores["val"]
    recorded = load_run(own, "pretrain_cmr-traits").record["metrics"]["best"]["val_mean_r"]
    assert scores.metrics["mean_r"].value == pytest.approx(recorded)
    assert not evidence.reference.curves  # reads the cine; `eccl predict` does not use it


def test_a_run_trained_on_a_withdrawn_participant_is_marked(own: Workspace) -> None:
    folder = own.ledger / "withdrawals"
    folder.mkdir(parents=True)
    run_id = load_run(own, "align-I50").run_id
    content = {
        "withdrawn_on": "2026-03-01", "participants": 1, "runs_tainted": [{"run_id": run_id, "how": "trained"}], "purge": None,
        "search": {"found": []},
    }  # fmt: skip
    (folder / "2026-03-01-1.json").write_text(json.dumps(content))
    assert "withdrew on 2026-03-01" in card_of(own, "align-I50")
    assert "withdrew" not in card_of(own, "align-traits")


def test_an_unknown_run_is_named(own: Workspace) -> None:
    with pytest.raises(FeatureError, match="align-I51"):
        write_cards(own, ["align-I50", "align-I51"])
    assert not cards_folder(own).exists()
