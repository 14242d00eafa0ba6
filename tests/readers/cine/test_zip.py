"""The container's limits, checked before anything is decompressed."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest

from eccl.errors import Reason, Rejected
from eccl.readers.cine.study import ZipLimits, open_sax_zip
from tests.support.sax_fixtures import make_stack, to_zip


def reason_of(source: Path | io.BytesIO, limits: ZipLimits = ZipLimits()) -> Reason:
    with pytest.raises(Rejected) as caught, open_sax_zip(source, limits):
        pass
    return caught.value.reason


@pytest.mark.parametrize(
    "limits",
    [
        ZipLimits(max_members=39),
        ZipLimits(max_member_bytes=1000),
        ZipLimits(max_total_bytes=40_000),
        ZipLimits(max_matrix=23),
    ],
)
def test_limits(limits: ZipLimits) -> None:
    source = to_zip(make_stack())
    assert reason_of(source, limits) is Reason.ZIP_LIMITS
    with open_sax_zip(source) as study:
        assert study.slice_count == 4


def test_zip_bomb_is_refused_by_its_ratio() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.dcm", bytes(5 << 20))
    assert reason_of(out) is Reason.ZIP_LIMITS


def test_deflated_transfer_syntax_is_not_inflated() -> None:
    head = bytes(128) + b"DICM" + b"\x02\x00\x10\x00UI\x16\x001.2.840.10008.1.2.1.99"
    assert reason_of(to_zip([], members={"a.dcm": head + bytes(100)})) is Reason.CINE_NO_DICOM


def test_sources_that_are_no_zip(tmp_path: Path) -> None:
    assert reason_of(tmp_path / "absent.zip") is Reason.UNREADABLE
    assert reason_of(tmp_path) is Reason.UNREADABLE
    empty = tmp_path / "empty.zip"
    empty.touch()
    assert reason_of(empty) is Reason.EMPTY_FILE
    cut = tmp_path / "cut.zip"
    cut.write_bytes(to_zip(make_stack()).getvalue()[:-30])
    assert reason_of(cut) is Reason.ZIP_MALFORMED


def test_member_paths_are_never_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    inner = tmp_path / "inner"
    inner.mkdir()
    monkeypatch.chdir(inner)
    with open_sax_zip(to_zip(make_stack(), members={"../escape.txt": b"x", "/tmp/escape.txt": b"x"})) as study:
        study.read_slice(0)
        assert study.ignored_files == 2
    assert [path.name for path in tmp_path.rglob("*")] == ["inner"]
