"""One arm of each kind, trained as `eccl table1` trains it."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch

from eccl.data.run_records import run_name
from eccl.errors import VersionError
from eccl.features.files import read_features, runs_of
from eccl.models.ecg_vit import POOLING_WEIGHTS
from eccl.study.__main__ import main
from eccl.study.arms import load_arms
from eccl.study.jobs import list_jobs
from eccl.study.train import names_of
from eccl.training.backfill.missing_rows import views_of
from eccl.training.inputs.teacher import vectors_of
from eccl.training.runs import RECORD, Run, load_run, select_prefix
from eccl.training.session import open_session
from eccl.training.settings import DISEASES, load_params
from eccl.training.stages import align, probe
from eccl.workspace import Workspace, shipped
from tests.support.tiny_workspace import FIELDS, Copy, build_workspace, change_params, train

pytestmark = pytest.mark.slow

SEED = 43

ORDER = (
    ("align", "I21", "neither"),  # before anything else is there
    ("pretrain_ecg", None, "mae"),
    ("align", "I21", "ssl_only"),
    ("pretrain_cmae", None, "cmae"),
    ("align", "I21", "cmae"),
    ("pretrain_cmr", "I21", "swin"),
    ("align", "I21", "cl_only"),
    ("align", "I21", "triplet"),
    ("align", "I21", "label_aware"),
    ("align", "I21", "attention_pooling"),
    ("pretrain_cmr", "I21", "resnet50"),
    ("align", "I21", "resnet50"),
    ("pretrain_cmr", "all", "swin"),
    ("align", "all", "multitask"),
    ("pretrain_cmr", "traits", "swin"),
    ("align", "traits", "eccl"),
    ("probe", "traits", "probe"),
    ("probe", "I21", "probe"),
)
PARENTS = {
    "align-I21.neither.s43": [],
    "align-I21.ssl_only.s43": ["pretrain_ecg.mae.s43"],
    "align-I21.cmae.s43": ["pretrain_cmae.cmae.s43"],
    "align-I21.cl_only.s43": ["pretrain_cmr-I21.swin.s43"],
    "align-I21.triplet.s43": ["pretrain_ecg.mae.s43", "pretrain_cmr-I21.swin.s43"],
    "align-I21.label_aware.s43": ["pretrain_ecg.mae.s43", "pretrain_cmr-I21.swin.s43"],
    "align-I21.attention_pooling.s43": ["pretrain_ecg.mae.s43", "pretrain_cmr-I21.swin.s43"],
    "align-I21.resnet50.s43": ["pretrain_ecg.mae.s43", "pretrain_cmr-I21.resnet50.s43"],
    "align-all.multitask.s43": ["pretrain_ecg.mae.s43", "pretrain_cmr-all.swin.s43"],
    "align-traits.eccl.s43": ["pretrain_ecg.mae.s43", "pretrain_cmr-traits.swin.s43"],
    "probe-traits.probe.s43": ["align-traits.eccl.s43"],
    "probe-I21.probe.s43": ["align-traits.eccl.s43"],
    "pretrain_cmae.cmae.s43": [],
}
WITHOUT_CONTRAST = ("align-I21.neither.s43", "align-I21.ssl_only.s43", "align-I21.cmae.s43")


def train_variant(workspace: Workspace, stage: str, task: str | None, variant: str, seed: int = SEED) -> int:
    return main([f"{run_name(stage, task)}.{variant}.s{seed}", "--workspace", str(workspace.root)])


@pytest.fixture(scope="module")
def arms(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """One arm of each kind, with the pre-trainings it needs, each trained when only those are there."""
    workspace = build_workspace(tmp_path_factory.mktemp("arms") / "workspace")
    workspace.arms_file.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(shipped("experiments") / "arms.yaml", workspace.arms_file)
    for stage, task, variant in ORDER:
        assert train_variant(workspace, stage, task, variant) == 0, (stage, task, variant)
    return workspace


def test_a_run_is_named_after_its_variant_and_seed_and_records_them(arms: Workspace) -> None:
    names = {f"{stage}-{task}.{variant}.s43" if task else f"{stage}.{variant}.s43" for stage, task, variant in ORDER}
    assert {folder.name for folder in arms.models.iterdir()} == names
    for stage, task, variant in ORDER:
        record = load_run(arms, f"{stage}-{task}.{variant}.s43" if task else f"{stage}.{variant}.s43").record
        assert (record["stage"], record["task"], record["variant"], record["seed"]) == (stage, task, variant, SEED)
        assert record["params"]["config"]["seed"] == SEED
        assert (record["arm"]["key"], record["arm"]["stage"]) == (variant, stage)


def test_a_run_records_what_its_arm_was(arms: Workspace) -> None:
    table = load_arms(arms.arms_file)
    triplet = load_run(arms, "align-I21.triplet.s43").record["arm"]
    assert triplet == {
        "key": "triplet", "title": table.arms["triplet"].title, "stage": "align",
        "parents": {"pretrain_ecg": "mae", "pretrain_cmr": "swin"}, "changes": {"align.alignment.loss": "triplet"},
    }  # fmt: skip
    shared = load_run(arms, "pretrain_cmr-I21.resnet50.s43").record["arm"]
    assert (shared["title"], shared["parents"]) == (None, {})
    assert shared["changes"] == {"pretrain_cmr.encoder": {"use": "alternatives.cmr.resnet50"}}
    probe = load_run(arms, "probe-I21.probe.s43").record["arm"]
    assert probe["parents"] == {"pretrain_ecg": "mae", "pretrain_cmr": "swin", "align": "eccl"}


def test_the_parents_of_each_run(arms: Workspace) -> None:
    found = {run: [parent["run"] for parent in load_run(arms, run).record["parents"]] for run in PARENTS}
    assert found == PARENTS


def test_every_arm_of_a_task_trains_and_validates_on_the_same_pairs(arms: Workspace) -> None:
    counts = {run: load_run(arms, run).record["split_counts"] for run in PARENTS if "-I21" in run}
    assert len(counts) == 9
    assert all(one == counts["align-I21.triplet.s43"] for one in counts.values())
    assert counts["align-I21.triplet.s43"]["train"]["cases"] >= 2


def test_a_run_writes_the_views_it_is_said_to_write(arms: Workspace) -> None:
    written: dict[str, set[str]] = {}
    for view in (folder.name for folder in arms.features.iterdir()):
        for run in runs_of(arms.features, view):
            written.setdefault(run, set()).add(view)
    for run in (folder.name for folder in arms.models.iterdir()):
        said_views = {view.name for view in views_of(load_run(arms, run))}
        assert written.get(run, set()) - {"cmr_teacher"} == said_views, run
    assert all(written[run] == {"ecg_embedding", "disease_prediction"} for run in WITHOUT_CONTRAST)
    assert {"ecg_projection", "cmr_projection"} < written["align-I21.triplet.s43"]
    assert written["align-all.multitask.s43"] >= {"trait_prediction", "disease_prediction"}
    assert written["pretrain_cmr-all.swin.s43"] >= {"cmr_trait_prediction", "cmr_disease_prediction"}
    assert written["probe-I21.probe.s43"] == {"disease_prediction"}
    assert "pretrain_cmae.cmae.s43" not in written


def test_arms_differ_in_their_predictions(arms: Workspace) -> None:
    runs = [run for run in PARENTS if "-I21" in run]
    logits = {
        run: tuple(read_features(arms.features, "disease_prediction", run).column("logit").to_pylist()) for run in runs
    }
    assert len(set(logits.values())) == len(runs)


def test_an_arm_again_has_the_same_weights_and_another_seed_has_others(arms: Workspace, copy_of: Copy) -> None:
    workspace = copy_of(arms)
    run = "align-I21.neither.s43"
    assert train_variant(workspace, "align", "I21", "neither") == 0
    assert load_run(workspace, run).record["weights_sha256"] == load_run(arms, run).record["weights_sha256"]
    first, again = ((place.run_folder(run) / RECORD).read_bytes() for place in (arms, workspace))
    assert again == first
    assert train_variant(workspace, "align", "I21", "neither", 44) == 0
    other = load_run(workspace, "align-I21.neither.s44")
    assert other.record["weights_sha256"] != load_run(arms, run).record["weights_sha256"]


def started(arms: Workspace, variant: str) -> tuple[dict[str, torch.Tensor], Run, bool]:
    """Weights of an arm's encoder before training, the run it starts from, and whether all of it is trained."""
    table = load_arms(arms.arms_file)
    [job] = [job for job in list_jobs(table) if job.run == f"align-I21.{variant}.s{SEED}"]
    params = load_params(arms.params_file, changes=table.variant("align", variant).settings(SEED))
    session = open_session(arms, "align", "I21", params=params, names=names_of(table, job))
    config = session.params.preset.align
    start, _ = align.load_parents(session, config)
    assert start is not None
    torch.manual_seed(0)
    module = align.build(align.encoder_spec(start), config, None, 1)
    align.load_encoder(module, start)
    return module.encoder.state_dict(), start, all(one.requires_grad for one in module.parameters())


@pytest.mark.parametrize(("variant", "prefix"), [("triplet", "encoder."), ("cmae", "ecg_encoder.")])
def test_an_encoder_starts_as_its_parent_ended(arms: Workspace, variant: str, prefix: str) -> None:
    weights, start, is_trained = started(arms, variant)
    parents = select_prefix(start.weights(), prefix)
    assert set(weights) == set(parents)
    assert all(torch.equal(weights[name], parents[name]) for name in weights)
    assert is_trained


def test_attention_pooling_is_new_and_the_rest_is_loaded_strictly(
    arms: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights, start, _ = started(arms, "attention_pooling")
    parents = select_prefix(start.weights(), "encoder.")
    new = {name for name in weights if name.startswith(POOLING_WEIGHTS)}
    assert new
    assert set(weights) - new == set(parents)
    assert all(torch.equal(weights[name], parents[name]) for name in parents)
    known = start.weights()
    known.pop("encoder.vit.norm.weight")
    monkeypatch.setattr(Run, "weights", lambda self: known)
    with pytest.raises(VersionError, match=r"missing vit.norm.weight"):
        started(arms, "attention_pooling")


def test_a_label_aware_contrast_of_the_traits_is_refused(
    arms: Workspace, copy_of: Copy, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace = copy_of(arms)
    change_params(workspace, **{"align.alignment.loss": "label_aware"})
    for task in ("traits", "all"):
        assert train(workspace, "align", "--task", task) == 1
        assert "label_aware needs the labels of one disease" in capsys.readouterr().err


def test_a_run_without_its_parent_or_outside_of_the_table_is_refused(
    arms: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train_variant(arms, "align", "I42", "cmae", 44) == 1
    assert "models/pretrain_cmae.cmae.s44 holds no" in capsys.readouterr().err
    assert train_variant(arms, "align", "I21", "swin") == 1
    assert "experiments/arms.yaml has no run align-I21.swin.s43" in capsys.readouterr().err


def test_the_predictions_of_all_are_those_of_one_network(arms: Workspace) -> None:
    run = load_run(arms, "align-all.multitask.s43")
    network, _ = align.rebuild(run)
    features = vectors_of(read_features(arms.features, "ecg_embedding", "align-all.multitask.s43"))
    with torch.no_grad():
        outputs = network.task_head(torch.from_numpy(features)).double().numpy()
    assert outputs.shape[1] == len(FIELDS) + 4
    scaler = run.record["trait_scaler"]
    traits = read_features(arms.features, "trait_prediction", "align-all.multitask.s43")
    expected = outputs[:, : len(FIELDS)] * np.array(scaler["scale"]) + np.array(scaler["mean"])
    np.testing.assert_allclose(traits.column("value").to_numpy(), expected.reshape(-1), rtol=1e-4)
    diseases = read_features(arms.features, "disease_prediction", "align-all.multitask.s43")
    assert diseases.column("code").to_pylist() == list(DISEASES) * len(features)
    np.testing.assert_allclose(
        diseases.column("logit").to_numpy(), outputs[:, len(FIELDS) :].reshape(-1), rtol=1e-4, atol=1e-5
    )
    assert run.record["metrics"]["selection"] == "mean_r_auc"
    assert {"val_mean_r", "val_mean_auc"} <= set(run.record["metrics"]["best"])


def test_a_cross_modal_run_keeps_all_its_losses(arms: Workspace) -> None:
    record = load_run(arms, "pretrain_cmae.cmae.s43").record
    terms = {"ecg_from_ecg", "ecg_from_cmr", "cmr_from_ecg", "cmr_from_cmr", "contrastive", "loss"}
    assert {f"{part}_{term}" for part in ("train", "val") for term in terms} <= set(record["metrics"]["best"])
    best = record["metrics"]["best"]
    reconstruction = np.mean([best[f"val_{term}"] for term in terms if "_from_" in term])
    assert best["val_loss"] == pytest.approx(reconstruction + best["val_contrastive"], rel=1e-5)
    scores = [one["val_loss"] for one in record["metrics"]["history"]]
    assert record["best_epoch"] == int(np.argmin(scores)) + 1
    pairs = load_run(arms, "align-traits.eccl.s43").record["split_counts"]
    assert record["split_counts"] == {split: {"visits": pairs[split]["visits"]} for split in ("train", "val")}


def test_a_probe_is_a_linear_layer_on_the_stored_embeddings(arms: Workspace) -> None:
    features = vectors_of(read_features(arms.features, "ecg_embedding", "align-traits.eccl.s43"))
    for task, view, column in (
        ("I21", "disease_prediction", "logit"),
        ("traits", "trait_prediction", "value"),
    ):
        name = f"probe-{task}.probe.s43"
        run = load_run(arms, name)
        network, config = probe.rebuild(run)
        outputs = network.predict(features)
        if task == "traits":
            scaler = run.record["trait_scaler"]
            outputs = outputs * np.array(scaler["scale"]) + np.array(scaler["mean"])
        found = read_features(arms.features, view, name).column(column).to_numpy()
        np.testing.assert_allclose(found, outputs.reshape(-1), rtol=1e-9)
        history = run.record["metrics"]["history"]
        assert [one["strength"] for one in history] == list(config.strengths)
        assert run.record["metrics"]["best"]["val_score"] == max(one["val_score"] for one in history)
        assert history[run.record["best_epoch"] - 1]["val_score"] == run.record["metrics"]["best"]["val_score"]


def test_a_probe_refuses_embeddings_of_another_training(
    arms: Workspace, copy_of: Copy, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace = copy_of(arms)
    kept = workspace.features / "ecg_embedding" / "align-traits.eccl.s43.parquet"
    older = kept.read_bytes()
    change_params(workspace, **{"align.optimiser.learning_rate": 2e-3})
    assert train_variant(workspace, "align", "traits", "eccl") == 0
    kept.write_bytes(older)
    assert train_variant(workspace, "probe", "I21", "probe") == 1
    assert "of another training than its model" in capsys.readouterr().err
