"""Readers on arbitrary damaged files: a record of its documented shape, or `Rejected`.

`ECCL_LONG=1` draws thousands of examples instead of some dozens. Warnings are errors here as everywhere.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz import compact, seeds, targets
from tests.fuzz.mutations import HOSTILE, mutated, of_bytes, of_elements, of_numbers, of_splices

LONG = bool(os.environ.get("ECCL_LONG"))
FOUND = Path(__file__).with_name("found")


def profile(short: int, long: int) -> settings:
    """Settings of one property: examples in the daily suite and in a long run."""
    return settings(
        max_examples=long if LONG else short,
        deadline=None,  # a hang is ended by the suite's own time limit, and a slow machine is no finding
        derandomize=not LONG,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        database=None,
    )


SHORT_ECGS = [compact.shrink_ecg(file) for file in seeds.ecg_files()]
JOINED = [compact.shrink_sax(file) for file in seeds.sax_zips()[:3]]


@profile(150, 4_000)
@given(mutated(SHORT_ECGS, of_bytes(), of_numbers(), of_elements(), of_splices(SHORT_ECGS)))
def test_ecg(data: bytes) -> None:
    targets.ecg(compact.expand_ecg(data))


@profile(30, 2_000)
@given(mutated(seeds.ecg_files()[:1], of_bytes(), of_elements()))
def test_whole_ecg(data: bytes) -> None:
    targets.ecg(data)


@profile(60, 2_000)
@given(mutated(seeds.sax_zips(), of_bytes(), of_splices(seeds.sax_zips())))
def test_zip(data: bytes) -> None:
    targets.sax(data)


@profile(60, 2_000)
@given(mutated(JOINED, of_bytes(), of_numbers(), of_splices(JOINED), most=12))
def test_study(data: bytes) -> None:
    targets.sax(compact.expand_sax(data))


_TEXTS = {
    b"\x18\x00\x60\x10DS",
    b"\x18\x00\x90\x10IS",
    b"\x20\x00\x13\x00IS",
    b"\x20\x00\x32\x00DS",
    b"\x20\x00\x37\x00DS",
}
_TEXTS |= {b"\x28\x00\x30\x00DS", b"\x08\x00\x31\x00TM", b"\x08\x00\x22\x00DA", b"\x20\x00\x11\x00IS"}


@profile(60, 2_000)
@given(st.sampled_from(sorted(_TEXTS)), st.lists(st.sampled_from(HOSTILE), min_size=1, max_size=6), st.integers(1, 16))
def test_hostile_values_in_every_file(tag: bytes, values: list[bytes], count: int) -> None:
    """Numbers that overflow, in the headers that geometry and order are computed from."""
    members = []
    for number, (name, data) in enumerate(seeds.sax_members()[:-1]):
        place = data.index(tag)
        (length,) = struct.unpack_from("<H", data, place + 6)
        value = b"\\".join(values) if number % 16 < count else data[place + 8 : place + 8 + length]
        value += b" " * (len(value) % 2)
        head = data[: place + 6] + struct.pack("<H", len(value)) + value
        members.append((name, head + data[place + 8 + length :]))
    targets.sax(seeds.to_stored_zip(members))


@profile(60, 2_500)
@given(mutated(seeds.tables(), of_bytes(), of_numbers(), of_splices(seeds.tables())))
def test_table(data: bytes) -> None:
    targets.table(data)


_CELL = st.one_of(st.sampled_from([*HOSTILE, b"I251", b"I25.1|I489", b'"[""I21"",null]"', b"2015-02-28", b"-3", b"9000001"]),
                  st.binary(max_size=8))  # fmt: skip
_NAME = st.sampled_from(
    [
        *(b"eid", b"31-0.0", b"24103-2.0", b"24103-127.0", b"53-2.0", b"41270-0.0", b"41270-0.32767", b"41280-0.0"),
        *(b"40000-0.0", b"131298-0.0", b"p41270", b"participant.eid", b"participant.p24103_i2", b"Participant ID"),
        *(b"f.31.0.0", b"LV ejection fraction | Instance 2", b"LV stroke volume", b"x"),
    ]
)


@profile(60, 2_500)
@given(
    st.lists(_NAME, min_size=1, max_size=8), st.lists(st.lists(_CELL, max_size=9), max_size=8), st.sampled_from(b",\t")
)
def test_made_up_table(names: list[bytes], rows: list[list[bytes]], delimiter: int) -> None:
    lines = [names, *([b"%d" % (9_000_001 + k), *row] for k, row in enumerate(rows))]
    targets.table(b"\n".join(bytes([delimiter]).join(line) for line in lines))


@profile(60, 2_500)
@given(mutated([seeds.WITHDRAWALS, b"9000001\n" * 40], of_bytes(), of_numbers()))
def test_withdrawals(data: bytes) -> None:
    targets.withdrawals(data)


@pytest.mark.parametrize("target", [targets.ecg, targets.sax, targets.table, targets.withdrawals])
@pytest.mark.parametrize(
    "start", [b"", b"<?xml version='1.0'?><CardiologyXML>", b"PK\3\4", b"PK\5\6" + bytes(18), b"eid,31-0.0\n"]
)
def test_arbitrary_bytes(target: targets.Target, start: bytes) -> None:
    @profile(12, 1_000)
    @given(st.binary(max_size=2_000))
    def check(data: bytes) -> None:
        target(start + data)

    check()


@pytest.mark.parametrize("path", sorted(FOUND.glob("*-*")), ids=lambda path: path.name)
def test_what_fuzzing_found_stays_mended(path: Path) -> None:
    """Inputs of found/ are in the short forms that the fuzzer works on; the name holds the target."""
    data = path.read_bytes()
    kind = path.name.partition("-")[0]
    if kind == "ecg":
        data = compact.expand_ecg(data)
    elif kind == "sax":
        data = compact.expand_sax(data)
    {"ecg": targets.ecg, "sax": targets.sax, "zip": targets.sax, "table": targets.table}[kind](data)


def test_seeds_are_sound() -> None:
    """Mutations start from files that are read; otherwise fuzzing would test one refusal again and again."""
    assert targets.ecg(seeds.ecg_file()) == "ok"
    assert [targets.ecg(compact.expand_ecg(short)) for short in SHORT_ECGS].count("ok") >= 4
    assert {targets.sax(content) for content in seeds.sax_zips()} == {"ok"}
    assert {targets.sax(compact.expand_sax(joined)) for joined in JOINED} == {"ok"}
    assert {targets.table(content) for content in seeds.tables()} == {"ok"}
