"""Rows of tabular exports go by line, whatever else stands in the file."""

from __future__ import annotations

from pathlib import Path

import pytest

from eccl.withdrawal.raw import empty_raw, find_raw
from eccl.withdrawal.rows import ids_in, redact

GONE = frozenset({9_000_001, 9_000_004})
SELECT = GONE.intersection


@pytest.mark.parametrize(
    ("name", "header", "rows"),
    [
        ("ukb1.csv", b"eid,31-0.0", [b"9000001,1", b"9000002,0", b'"9000004","1"', b"9000005,"]),
        ("ukb2.tab", b"f.eid\tf.31.0.0", [b"9000001\t1", b"9000002\t0", b"9000004\tNA"]),
        ("rap.csv", b"\xef\xbb\xbfparticipant.eid,participant.p31", [b"9000001,1", b"9000002,0", b"9000004.0,0"]),
        ("titles.csv", b'"Participant ID","Sex, self-reported"', [b'9000004,"Fe, male"', b'9000002,"M\xe4nner"']),
        ("last.csv", b"31-0.0,eid", [b"1,9000001", b"9000001,9000002", b'"a,b",9000004']),
    ],
)
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_rows_go_and_all_other_bytes_stay(
    name: str, header: bytes, rows: list[bytes], end: bytes, tmp_path: Path
) -> None:
    file = tmp_path / name
    file.write_bytes(end.join([header, *rows]))  # no line end after the last row
    file.chmod(0o640)
    position = header.split(b"\t" if b"\t" in header else b",").index(b"eid") if name == "last.csv" else 0
    mine = [row for row in rows if any(str(eid).encode() in row.rsplit(b",", 1)[-1 if position else 0] for eid in GONE)]
    assert mine
    assert find_raw(tmp_path, SELECT).tables == {file: len(mine)}
    empty_raw(tmp_path, SELECT)
    left = [row for row in rows if row not in mine]
    expected = b"".join(row + end for row in [header, *left])
    assert file.read_bytes() in {expected, expected.removesuffix(end)}
    assert file.stat().st_mode & 0o777 == 0o640
    assert find_raw(tmp_path, SELECT).tables == {}


def test_a_record_is_removed_with_the_lines_in_its_cells(tmp_path: Path) -> None:
    file = tmp_path / "notes.csv"
    file.write_bytes(b'eid,note\n9000001,"first\n9000002,second"\n9000002,"one\ntwo"\n')
    empty_raw(tmp_path, SELECT)
    assert file.read_bytes() == b'eid,note\n9000002,"one\ntwo"\n'


def test_an_unclosed_quote_hides_no_row(tmp_path: Path) -> None:
    file = tmp_path / "broken.csv"
    file.write_bytes(b'eid,note\n9000002,"open\n9000001,x\n9000003,y\n')
    empty_raw(tmp_path, SELECT)
    assert file.read_bytes() == b'eid,note\n9000002,"open\n9000003,y\n'


def test_files_go_by_name_in_any_layout_and_links_with_their_target(tmp_path: Path) -> None:
    raw, store = tmp_path / "raw", tmp_path / "store"
    for folder in (raw / "9000001", raw / "90", store):
        folder.mkdir(parents=True)
    (raw / "9000001/segmentation.nii.gz").touch()
    (raw / "90/9000002_20205_2_0.xml").touch()
    (raw / "90/9000004_20209_2_0.zip").touch()
    (store / "object").touch()
    (raw / "9000004_20205_2_0.xml").symlink_to(store / "object")
    (raw / "w1_20260101.csv").write_text("9000001\n")
    empty_raw(raw, SELECT)
    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")) == [
        "raw", "raw/90", "raw/90/9000002_20205_2_0.xml", "raw/w1_20260101.csv", "store"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("9000001", {9000001}),
        ("90/9000001_20205_2_0.xml", {9000001, 20205}),
        ('{"eid":9000001}', {9000001}),
        ("f.9000001.x", {9000001}),
        ("19000001x", {19000001}),
        ("0.9000001", set()),
        ("size: 9000001\nnext: 9000002", {9000002}),
        ("ab3f9000001c4d5e6f7a8b9c0d1e2f3a", set()),
        ("eid9000001", {9000001}),
        ("12345678901", set()),
    ],
)
def test_ids_in_text(text: str, found: set[int]) -> None:
    assert ids_in(text.encode()) == found


def test_redaction_takes_ids_only() -> None:
    assert redact("/out/9000001_v2/9000002.csv", GONE.intersection) == "/out/<id>_v2/9000002.csv"
