"""The check of the whole product: a sound product has no findings, and everything that can be broken is found."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType

import numpy as np
import pyarrow.parquet as pq
import pytest

from eccl.data.parts import data_version, read_table
from eccl.errors import WorkspaceError
from eccl.quality.product.arrays import check_arrays
from eccl.quality.product.check import check_product
from eccl.quality.product.features import check_features
from eccl.quality.product.findings import Finding, Node, draw
from eccl.quality.product.models import check_models, check_releases
from eccl.quality.product.tables import check_files, check_gate, check_tables, check_withdrawals
from eccl.workspace import Workspace
from tests.quality.product.broken_products import BROKEN, Broken, double, rewrite


@pytest.fixture(scope="session")
def sound(ingested: Workspace, whole: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return whole.make_whole(ingested, tmp_path_factory.mktemp("whole") / "product")  # type: ignore[no-any-return]


@pytest.fixture
def place(sound: Workspace, whole: ModuleType, tmp_path: Path) -> Workspace:
    return whole.copy_whole(sound, tmp_path / "product")  # type: ignore[no-any-return]


# Parts of the check; a broken product is checked by the part that must notice it.
PARTS: dict[str, Callable[[Workspace, str], Iterable[Node]]] = {
    "arrays": lambda place, _: check_arrays(place, 0),
    "tables": lambda place, _: check_tables(place),
    "files": lambda place, _: [check_files(place)],
    "gate": lambda place, version: [check_gate(place, version)],
    "features": lambda place, version: [check_features(place, version)],
    "models": lambda place, version: [check_models(place, version)],
    "releases": lambda place, version: [check_releases(place, version)],
    "withdrawals": lambda place, _: [Node(".", "", tuple(check_withdrawals(place)))],
}


def found_in(place: Workspace, part: str) -> list[tuple[str, Finding]]:
    return [found for node in PARTS[part](place, data_version(place.data)) for found in node.walk()]


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.name.replace(" ", "-"))
def test_broken_product_is_noticed(broken: Broken, place: Workspace) -> None:
    broken.change(place)
    found = found_in(place, broken.part)
    reported = [(where, one) for where, one in found if broken.words in one.what]
    assert reported, found
    _, finding = next((where, one) for where, one in reported if where.startswith(broken.where))
    assert finding.severity == broken.severity
    assert "run `" in finding.remedy or finding.remedy.split()[0] in {"harmless;", "move", "put", "read", "bring"}
    people = {str(eid) for eid in read_table(place.data, "participants", ["eid"]).column(0).to_pylist()}
    assert not any(eid in where + one.what + one.remedy for where, one in found for eid in people)


def test_a_sound_product_is_drawn_as_such(place: Workspace) -> None:
    report = check_product(place, all_slots=True)
    # What was finished after publication is not in the store yet; a copy of a workspace has another path.
    assert {(where, one.severity) for where, one in report.findings} <= {("releases/eccl.duckdb", "warning")}
    assert report.is_sound
    drawn = (place.reports / "product/tree.txt").read_text()
    assert drawn == draw(report.tree)
    assert drawn.isascii()
    recordings = read_table(place.data, "recordings").num_rows
    assert f"{recordings} slots in" in drawn
    assert all(
        name in drawn for name in ("ecg.zarr/raw", "`-- ", "ecg_projection", "align-I50", "pretrain_ecg", "passed")
    )
    written = json.loads((place.reports / "product/product.json").read_text())
    assert written["is_sound"]
    assert written["tree"]["children"][0]["name"] == "data"


def test_the_smallest_sample_includes_every_shard(place: Workspace) -> None:
    for shard in (place.data / "ecg.zarr/raw/c").iterdir():
        (shard / "0/0").write_bytes(b"not a shard")
    [raw] = [node for node in check_arrays(place, 1) if node.name == "ecg.zarr/raw"]
    shards = len(list((place.data / "ecg.zarr/raw/c").iterdir()))
    assert any(f"{shards} slots of {shards} read differ" in one.what for one in raw.findings)


def test_features_of_older_data_are_stale_and_not_wrong(place: Workspace) -> None:
    node = check_features(place, "f" * 16)
    found = [one for _, one in node.walk()]
    assert {one.severity for one in found} == {"warning"}
    assert all("stale: computed on data version" in one.what and "eccl materialize" in one.remedy for one in found)


def test_rows_are_counted_per_condition(place: Workspace) -> None:
    file = place.features / "ecg_projection/align-I50.parquet"
    rewrite(file, lambda rows: (double(rows), rows.append(rows[-1]), rows.append(rows[-1])))
    [node] = [one for _, one in found_in(place, "features") if "norm" in one.what]
    assert node.what.startswith("1 of ")
    assert any("2 rows more than one" in one.what for _, one in found_in(place, "features"))
    assert np.isfinite(pq.read_table(file).column("vector").combine_chunks().flatten().to_numpy()).all()


def test_a_workspace_without_data_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("preset: demo\n")
    with pytest.raises(WorkspaceError, match="nothing to check"):
        check_product(Workspace(tmp_path))


def test_marks_show_the_worst_severity() -> None:
    bad, stale = Finding("critical", "it is gone", "run it"), Finding("warning", "it is old", "run it")
    tree = Node(".", "", (), (Node("a", "1 row"), Node("b", "2 rows", (stale, bad)), Node("c", "", (stale,))))
    assert draw(tree).splitlines() == [
        ".",
        "|-- a  1 row   ok",
        "|-- b  2 rows  !! it is gone (+1)",
        "`-- c          ! it is old",
    ]
    assert next(iter(tree.walk()))[0] == "./b"
