"""Listing a raw folder with loops ends, and workers fit into the machine's memory."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from eccl.config import Params
from eccl.data import memory
from eccl.errors import ConfigError, Reason, WorkspaceError
from eccl.ingest.raw.discover import discover
from eccl.ingest.raw.raw_files import LocalFiles, to_raw_files
from eccl.ingest.record import record_readers
from eccl.ingest.workers import fitting_workers, worker_bytes


def test_what_is_no_file_is_unreadable(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    names = [f"{9_000_000 + number}_20205_2_0.xml" for number in range(4)]
    os.mkfifo(raw / names[0])
    (raw / names[1]).symlink_to(tmp_path / "nowhere")
    with socket.socket(socket.AF_UNIX) as listener:
        here = Path.cwd()
        os.chdir(raw)  # a socket's path must be short
        try:
            listener.bind(names[2])
        finally:
            os.chdir(here)
        (raw / names[3]).mkdir()  # a folder with a file's name is a folder
        found = discover(LocalFiles(raw))
    assert [(file.kind, file.reason) for file in found.unplaced] == [("ecg", Reason.UNREADABLE)] * 3
    assert found.files["ecg"] == ()


def test_links_that_go_round_end(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    inner = raw / "90" / "more"
    inner.mkdir(parents=True)
    (inner / "up").symlink_to(raw)
    (raw / "90" / "beside").symlink_to(inner)
    (inner / f"{9_000_001}_20205_2_0.xml").write_text("<x/>")
    paths = [entry.path for entry in LocalFiles(raw).entries()]
    assert len(paths) == len(set(paths)) == 2  # through the link to a neighbour, too, but not through the one around it
    found = discover(LocalFiles(raw))
    assert len(found.files["ecg"]) == 1
    assert found.duplicates["ecg"] == 1


def test_a_url_of_a_folder_is_a_folder(tmp_path: Path) -> None:
    assert to_raw_files(f"file://{tmp_path}") == LocalFiles(tmp_path)
    assert to_raw_files(str(tmp_path)) == LocalFiles(tmp_path)
    with pytest.raises(WorkspaceError, match=r"nosuch://somewhere/raw cannot be opened as a URL"):
        to_raw_files("nosuch://somewhere/raw").entries()


def test_workers_fit_into_memory() -> None:
    kinds = record_readers(Params())
    one = max(worker_bytes(kind) for kind in kinds)
    assert 500 << 20 < one < 2 << 30
    assert fitting_workers(8, kinds, available=3 * one + 1) == 3
    assert fitting_workers(2, kinds, available=100 * one) == 2
    with pytest.raises(ConfigError, match=r"ingest\.ecg_shard_rows"):
        fitting_workers(2, kinds, available=one - 1)


def test_a_containers_limit_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    of_machine = memory.available_memory()
    (tmp_path / "memory.max").write_text(f"{1_000_000}\n")
    (tmp_path / "memory.current").write_text("700000\n")
    (tmp_path / "memory.stat").write_text("anon 1\ninactive_file 200000\n")
    monkeypatch.setattr(memory, "_CGROUP", tmp_path)
    assert memory.available_memory() == 500_000
    (tmp_path / "memory.max").write_text("max\n")
    assert memory.available_memory() == pytest.approx(of_machine, rel=0.5)
