"""Models compared with their records, and published stores with the ledger and the parts."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq

from eccl.data.files import TEMPORARY_PREFIX, sha256_file
from eccl.data.parts import PARTED, read_table, table_files
from eccl.data.run_records import is_of_experiment, training_command
from eccl.errors import EcclError
from eccl.features.materialized import is_covered
from eccl.ledger.certificates import read_certificates
from eccl.ledger.releases import LATEST, Ledger, Release, read_ledger
from eccl.quality.product.findings import Finding, Node, critical, note, warning
from eccl.templates import count_of
from eccl.workspace import Workspace

if TYPE_CHECKING:
    import duckdb

Record = Mapping[str, Any]
_REQUIRED = ("run", "run_id", "data_version", "weights_sha256", "parents", "gate", "stage")
PUBLISH = "run `eccl publish`"


def read_records(workspace: Workspace) -> dict[str, Record]:
    """Records of the finished runs by name; a run whose run.json is missing or incomplete has none."""
    found = {}
    for folder in _run_folders(workspace):
        try:
            record = json.loads((folder / "run.json").read_text())
        except (OSError, ValueError):
            continue
        if all(name in record for name in _REQUIRED):
            found[folder.name] = record
    return found


def check_models(workspace: Workspace, version: str) -> Node:
    """Check every run: its record, its weights' hash, its parents, and the data that it was trained on."""
    records = read_records(workspace)
    tainted = {run_id for one in read_certificates(workspace) for run_id in one.tainted}
    nodes = []
    for folder in _run_folders(workspace):
        record = records.get(folder.name)
        findings = tuple(_check_model(workspace, folder, records, version))
        if record is not None and record["run_id"] in tainted:
            again = f"run `{training_command(folder.name)}`"
            findings += (warning("it was trained on data of a participant who has withdrawn since", again),)
        nodes.append(Node(folder.name, str(record["run_id"]) if record else "", findings))
    return Node("models", count_of(len(nodes), "run"), (), tuple(nodes))


def _run_folders(workspace: Workspace) -> list[Path]:
    return [path for path in sorted(workspace.models.glob("*")) if path.is_dir() and not path.name.startswith(".")]


def _check_model(workspace: Workspace, folder: Path, records: Mapping[str, Record], version: str) -> Iterator[Finding]:
    run, again = folder.name, f"run `{training_command(folder.name)}`"
    record = records.get(run)
    if record is None:
        yield critical("run.json is missing, or no record of a run", again)
        return
    weights = folder / "weights.safetensors"
    if not weights.is_file():
        yield critical("its weights are missing", f"run `dvc checkout`, or {again}")
    elif sha256_file(weights) != record["weights_sha256"]:
        yield critical("its weights are not those that run.json records", f"run `dvc checkout --force`, or {again}")
    for parent in record["parents"]:
        found = records.get(parent["run"])
        if found is None:
            yield warning(f"its parent {parent['run']} is missing", again)
        elif found["weights_sha256"] != parent["weights_sha256"]:
            yield warning(f"its parent {parent['run']} was trained again since", again)
    if not is_covered(workspace.features, run, record["run_id"], record["data_version"], version):
        yield warning(f"trained on data version {record['data_version']}", renewal(run))


def renewal(run: str) -> str:
    """Return what brings a run to the data of today; rows of later visits are added to the workspace's own runs only."""
    again = training_command(run)
    return f"run `{again}`" if is_of_experiment(run) else f"run `eccl materialize {run}`, or run `{again}`"


def check_releases(workspace: Workspace, version: str) -> Node:
    """Check releases against the ledger, eccl.duckdb against the latest release, and its tables against the parts."""
    ledger = read_ledger(workspace)
    current = [release for release in ledger.releases if not release.removed_at]
    nodes = [_check_release(workspace, ledger, release) for release in current]
    files = {file.stem for file in workspace.releases.glob("*.duckdb") if not file.name.startswith(TEMPORARY_PREFIX)}
    findings: list[Finding] = []
    if extra := files - {release.name for release in current}:
        what = f"{count_of(len(extra), 'file')} that the ledger does not list"
        findings.append(note(what, "harmless; the next publish removes them"))
    latest = ledger.aliases.get(LATEST)
    if latest is not None:
        release = ledger.find(latest)
        problems = tuple(_check_database(workspace, release, version))
        count = f"data {release.data_version}" if workspace.database.is_file() else ""
        nodes.append(Node("eccl.duckdb", count, problems))
    elif workspace.database.is_file():
        findings.append(warning("eccl.duckdb exists, but the ledger lists no release", PUBLISH))
    return Node("releases", count_of(len(ledger.releases), "release"), tuple(findings), tuple(nodes))


def _check_release(workspace: Workspace, ledger: Ledger, release: Release) -> Node:
    names = ", ".join([*ledger.aliases_of(release.name), *(["retracted"] if release.retraction else [])])
    count = f"data {release.data_version}" + (f" ({names})" if names else "")
    if release.path(workspace).is_file():
        return Node(release.name, count)
    what, remedy = "the ledger lists it, but its file is missing", "bring the file back from a backup, or "
    return Node(release.name, count, (critical(what, f"{remedy}run `eccl publish --force`"),))


def _check_database(workspace: Workspace, release: Release, version: str) -> Iterator[Finding]:
    import duckdb

    from eccl.data.database import open_file
    from eccl.publishing.publish import has_changes

    if not workspace.database.is_file():
        yield critical("it is missing, although a release is published", PUBLISH)
        return
    try:
        with open_file(workspace.database) as connection:
            yield from _check_content(connection, workspace, release, version)
    except duckdb.Error as error:
        yield critical(f"it cannot be read ({type(error).__name__})", PUBLISH)
        return
    try:
        if release.data_version == version and has_changes(workspace):
            yield warning("features, models, gate or ledger changed since it was published", PUBLISH)
    except EcclError:
        return


def _check_content(
    connection: duckdb.DuckDBPyConnection, workspace: Workspace, release: Release, version: str
) -> Iterator[Finding]:
    if connection.execute("SELECT name, data_version FROM release").fetchall() != [
        (release.name, release.data_version)
    ]:
        yield critical(f"it is not the latest release {release.name}", PUBLISH)
    if release.data_version != version:
        yield warning(f"it shows data version {release.data_version}, the workspace holds {version}", PUBLISH)
        return
    for table, expected in _expected_counts(workspace):
        [(shown,)] = connection.execute(f"SELECT count(*) FROM {table}").fetchall()
        if shown != expected:
            yield critical(f"its table {table} has {count_of(shown, 'row')}, the parts have {expected:,}", PUBLISH)


def _expected_counts(workspace: Workspace) -> Iterator[tuple[str, int]]:
    """Rows of every table in a store: those of participants that have slots but are no longer in the tables are not shown."""
    from eccl.data.database import COHORT_TABLES

    data = workspace.data
    people = set(read_table(data, "participants", ["eid"]).column(0).to_pylist())
    withdrawn: set[int] = set()
    for table in COHORT_TABLES:
        files = table_files(data, table)
        if files and table in PARTED:
            eids = read_table(data, table).column("eid").to_pylist()
            if table != "quarantine":
                withdrawn |= set(eids) - people
            yield table, sum(eid not in withdrawn for eid in eids)
        else:
            yield table, sum(pq.read_metadata(file).num_rows for file in files)
