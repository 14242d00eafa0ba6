from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from eccl.config import Params, load_params
from eccl.data.arrays import read_rows
from eccl.errors import Reason, Rejected, WorkspaceError
from eccl.inference.reading import Quarantined, Reader, Recording
from eccl.ingest.record import Record, record_readers
from eccl.simulate.files.corruption import ECG_CORRUPTIONS, corrupt_ecg
from eccl.workspace import Workspace

pytestmark = pytest.mark.slow

Files = tuple[Path, pl.DataFrame]


@pytest.mark.parametrize("corruption", sorted(ECG_CORRUPTIONS))
def test_a_file_that_the_ingest_quarantines_has_the_same_reason(files: Files, corruption: str, tmp_path: Path) -> None:
    content = corrupt_ecg((files[0] / files[1]["file"][0]).read_bytes(), corruption)
    (tmp_path / "ecg.xml").write_bytes(content)
    reader = Reader(tmp_path, Params())
    found = reader.read(reader.find("ecg.xml"))
    if not content:
        assert isinstance(found, Quarantined)
        assert found.reason is Reason.EMPTY_FILE
        return
    expected = answer(tmp_path / "ecg.xml")
    if isinstance(expected, Rejected):
        assert isinstance(found, Quarantined)
        assert (found.reason, found.detail) == (expected.reason, expected.detail)
        assert found.remedy
    else:
        assert isinstance(found, Recording)


def answer(path: Path) -> Record | Rejected:
    """Result of the reader itself, without a process around it."""
    try:
        return record_readers(Params())[0].read(path)
    except Rejected as reason:
        return reason


def test_a_file_becomes_what_the_ingest_made_of_it(study: Workspace, files: Files) -> None:
    folder, listed = files
    reader = Reader(folder, load_params(study.params_file))
    (row,) = listed.head(1).to_dicts()
    found = reader.read(reader.find(row["file"]))
    assert isinstance(found, Recording)
    np.testing.assert_array_equal(found.clean, read_rows(study.data, "ecg.zarr/clean", np.array([row["row"]]))[0])
    stored = pl.read_parquet(study.tables / "recordings" / "*.parquet").filter(pl.col("row") == row["row"])
    for name in ("noise_rms_uv", "baseline_rms_uv", "amplitude_p99_uv", "rr_samples", "clean_sha256"):
        assert found.columns[name] == stored[name][0]


def test_limits_of_params_yaml_hold(files: Files) -> None:
    params = Params.model_validate({"limits": {"xml_mb": 1}})
    big = files[0].parent / "big"
    big.mkdir(exist_ok=True)
    (big / "ecg.xml").write_bytes(b"<a>" + b" " * (1 << 20))
    reader = Reader(big, params)
    found = reader.read(reader.find("ecg.xml"))
    assert isinstance(found, Quarantined)
    assert found.reason is Reason.FILE_TOO_LARGE


def test_only_regular_files_are_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.xml")
    (tmp_path / ".hidden.xml").write_text("<a/>")
    (tmp_path / "notes.txt").write_text("")
    reader = Reader(tmp_path, Params())
    entries, ignored = reader.entries()
    assert ([entry.path for entry in entries], ignored) == (["pipe.xml"], 1)
    found = reader.read(entries[0])
    assert isinstance(found, Quarantined)
    assert found.reason is Reason.UNREADABLE
    with pytest.raises(WorkspaceError, match="no file at this path"):
        reader.find("pipe.xml")
    with pytest.raises(WorkspaceError, match="no file at this path"):
        reader.find("absent.xml")


def test_a_folder_without_ecgs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError, match="no folder with files"):
        Reader(tmp_path / "absent", Params()).entries()
    with pytest.raises(WorkspaceError, match="no folder with files"):
        Reader(tmp_path, Params()).entries()
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(WorkspaceError, match=r"none of the 1 files in this folder ends in \.xml"):
        Reader(tmp_path, Params()).entries()
