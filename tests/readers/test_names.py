from __future__ import annotations

from pathlib import Path

import pytest

from eccl.errors import Reason, Rejected
from eccl.readers.names import BulkName, is_withdrawal_list, parse_bulk_name
from eccl.readers.tables.withdrawal_lists import read_withdrawals


def test_bulk_name_holds_participant_field_visit_and_array() -> None:
    assert parse_bulk_name("9000001_20205_2_0.xml") == BulkName(9_000_001, 20205, 2, 0)
    assert parse_bulk_name("9000002_20209_3_1.zip") == BulkName(9_000_002, 20209, 3, 1)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "9000001_20205_2.xml",
        "9000001_20205_2_0",
        "9000001-20205-2-0.xml",
        "-9000001_20205_2_0.xml",
        "W000001_20205_2_0.xml",
        "9000001_20205_2_0.xml\n",
        "folder/9000001_20205_2_0.xml",
        "٩000001_20205_2_0.xml",
        "copy of 9000001_20205_2_0.xml",
    ],
)
def test_other_names_are_refused_without_repeating_them(name: str) -> None:
    with pytest.raises(Rejected) as caught:
        parse_bulk_name(name)
    assert caught.value.reason is Reason.BAD_NAME
    assert "9000001" not in str(caught.value)


def test_withdrawal_lists_are_known_by_name() -> None:
    assert is_withdrawal_list("w99999_20250101.csv")
    assert not any(is_withdrawal_list(name) for name in ("w99999.csv", "w99999_20250101.csv.bak", "ukb_20250101.csv"))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", set()),
        (b"9000001\n9000002\n", {9_000_001, 9_000_002}),
        (b"9000001\r\n9000002", {9_000_001, 9_000_002}),
        (b"\xef\xbb\xbf9000001\r\n\r\n", {9_000_001}),
        (b"9000001\n9000001\n", {9_000_001}),
    ],
)
def test_withdrawals_are_read(tmp_path: Path, content: bytes, expected: set[int]) -> None:
    path = tmp_path / "w99999_20250101.csv"
    path.write_bytes(content)
    assert read_withdrawals(path) == expected


@pytest.mark.parametrize("line", [b"eid", b"-9000002", b"9000002,1", b"9000002.5", b"\xff"])
def test_a_bad_line_refuses_the_list_by_its_number(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "w99999_20250101.csv"
    path.write_bytes(b"9000001\n" + line + b"\n")
    with pytest.raises(Rejected, match="line 2") as caught:
        read_withdrawals(path)
    assert "900000" not in str(caught.value)
