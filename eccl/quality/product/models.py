"""Models against their records, and published stores against the ledger and the parts."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from eccl.data.files import TEMPORARY_PREFIX, sha256_file
from eccl.data.parts import read_table, table_files
from eccl.data.run_names import is_of_experiment, training_command
from eccl.errors import EcclError
from eccl.features.materialized import is_covered
from eccl.ledger.certificates import read_certificates
from eccl.ledger.releases import LATEST, Ledger, Release, read_ledger
from eccl.quality.product.findings import Finding, Node, count_of, critical, note, warning
from eccl.workspace import Workspace

_NAMED = ("run", "run_id", "data_version", "weights_sha256", "parents", "gate", "stage")


def check_models(workspace: Workspace, version: str) -> Node:
    """Check every run: its record, its weights' hash, what it was built on, and the data it has seen."""
    folders = [path for path in sorted(workspace.models.glob("*")) if path.is_dir() and not path.name.startswith(".")]
    records = {folder.name: _record(folder) for folder in folders}
    tainted = {run_id: how for one in read_certificates(workspace) for run_id, how in one.tainted.items()}
    nodes = tuple(_check_model(workspace.features, folder, records, tainted, version) for folder in folders)
    return Node("models", count_of(len(nodes), "run"), (), nodes)


def _check_model(
    features: Path,
    folder: Path,
    records: Mapping[str, Mapping[str, Any] | None],
    tainted: Mapping[str, str],
    version: str,
) -> Node:
    record = records[folder.name]
    again = f"run `{training_command(folder.name)}`"
    if record is None:
        return Node(folder.name, "", (critical("run.json is missing, or no record of a run", again),))
    findings: list[Finding] = []
    weights = folder / "weights.safetensors"
    if not weights.is_file():
        findings.append(critical("its weights are missing", f"run `dvc checkout`, or {again}"))
    elif sha256_file(weights) != record["weights_sha256"]:
        findings.append(
            critical("its weights are not those that run.json records", f"run `dvc checkout --force`, or {again}")
        )
    for parent in record["parents"]:
        found = records.get(parent["run"])
        if found is None or found["weights_sha256"] != parent["weights_sha256"]:
            state = "is not there" if found is None else "was trained again since"
            findings.append(warning(f"its parent {parent['run']} {state}", again))
    if not is_covered(features, folder.name, record["run_id"], record["data_version"], version):
        findings.append(warning(f"trained on data version {record['data_version']}", renewal(folder.name)))
    if record["run_id"] in tainted:
        findings.append(warning("its model had seen somebody who withdrew", again))
    return Node(folder.name, str(record["run_id"]), tuple(findings))


def renewal(run: str) -> str:
    """How a run comes to hold for the data of today; visits are added to the workspace's own runs only."""
    again = training_command(run)
    return f"run `{again}`" if is_of_experiment(run) else f"run `eccl materialize {run}`, or run `{again}`"


def _record(folder: Path) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = json.loads((folder / "run.json").read_text())
    except (OSError, ValueError):
        return None
    return found if all(name in found for name in _NAMED) else None


def check_releases(workspace: Workspace, version: str) -> Node:
    """Check releases against the ledger, the short name against the latest release, and its tables against the parts."""
    ledger = read_ledger(workspace)
    nodes = [_check_release(workspace, ledger, release) for release in ledger.releases if not release.removed_at]
    listed = {release.name for release in ledger.releases if not release.removed_at}
    extra = [
        file
        for file in workspace.releases.glob("*.duckdb")
        if file.stem not in listed and not file.name.startswith(TEMPORARY_PREFIX)
    ]
    findings: list[Finding] = []
    if extra:
        findings.append(
            note(
                f"{count_of(len(extra), 'file')} that the ledger does not list",
                "harmless; the next publish removes them",
            )
        )
    latest = ledger.aliases.get(LATEST)
    if latest is None:
        if workspace.database.is_file():
            findings.append(warning("eccl.duckdb is there, but the ledger lists no release", "run `eccl publish`"))
    else:
        nodes.append(_check_database(workspace, ledger.find(latest), version))
    return Node("releases", count_of(len(ledger.releases), "release"), tuple(findings), tuple(nodes))


def _check_release(workspace: Workspace, ledger: Ledger, release: Release) -> Node:
    names = ", ".join([*ledger.aliases_of(release.name), *(["retracted"] if release.retraction else [])])
    count = f"data {release.data_version}" + (f" ({names})" if names else "")
    if release.path(workspace).is_file():
        return Node(release.name, count)
    what = "the ledger lists it, but its file is missing"
    return Node(
        release.name, count, (critical(what, "bring the file back from a backup, or run `eccl publish --force`"),)
    )


def _check_database(workspace: Workspace, release: Release, version: str) -> Node:
    if not workspace.database.is_file():
        return Node(
            "eccl.duckdb", "", (critical("it is missing, though a release is published", "run `eccl publish`"),)
        )
    return Node("eccl.duckdb", f"data {release.data_version}", tuple(_look_into(workspace, release, version)))


def _look_into(workspace: Workspace, release: Release, version: str) -> Iterator[Finding]:
    import duckdb

    from eccl.publishing.publish import has_news

    again = "run `eccl publish`"
    try:
        connection = duckdb.connect(str(workspace.database), read_only=True)
    except duckdb.Error as error:
        yield critical(f"it cannot be opened ({type(error).__name__})", again)
        return
    try:
        shown = connection.execute("SELECT name, data_version FROM release").fetchall()
        if shown != [(release.name, release.data_version)]:
            yield critical(f"it is not the latest release {release.name}", again)
        if release.data_version != version:
            yield warning(f"it shows data version {release.data_version}, the workspace holds {version}", again)
        else:
            yield from _compare_counts(connection, workspace, again)
    except duckdb.Error as error:
        yield critical(f"it cannot be read ({type(error).__name__})", again)
        return
    finally:
        connection.close()
    try:
        if release.data_version == version and has_news(workspace):
            yield warning("features, models, gate or ledger changed since it was published", again)
    except EcclError:
        return


def _compare_counts(connection: Any, workspace: Workspace, again: str) -> Iterator[Finding]:
    for table, held in _expected_counts(workspace):
        [(shown,)] = connection.execute(f"SELECT count(*) FROM {table}").fetchall()
        if shown != held:
            yield critical(f"its table {table} has {count_of(shown, 'row')}, the parts have {held:,}", again)


def _expected_counts(workspace: Workspace) -> Iterator[tuple[str, int]]:
    """Rows that a store shows of every table: of people who are in slots and no table any more, nothing."""
    from eccl.data.database import COHORT_TABLES

    data = workspace.data
    people = set(read_table(data, "participants", ["eid"]).column(0).to_pylist())
    gone: set[int] = set()
    for table in COHORT_TABLES:
        if not table_files(data, table):
            yield table, 0
        elif table in {"recordings", "cines", "quarantine"}:
            eids = read_table(data, table).column("eid").to_pylist()
            if table != "quarantine":
                gone |= {eid for eid in eids if eid not in people}
            yield table, sum(eid not in gone for eid in eids)
        else:
            yield table, read_table(data, table, ["eid"] if table not in {"fields", "deletions"} else None).num_rows
