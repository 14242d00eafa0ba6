"""Changes of raw files, as hypothesis draws them: of bytes, of structure, and of the numbers that readers compute with."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from hypothesis import strategies as st

HOSTILE = (
    *(b"", b" ", b"-", b"0", b"-0", b"-1", b"1", b"8", b"65535", b"65536", b"99999"),
    *(b"2147483647", b"2147483648", b"-2147483649", b"9223372036854775808", b"1e308", b"-1e308", b"1e-320", b"1e999"),
    *(b"nan", b"inf", b"-inf", b"1_000", b"0x10", b"1,5", b"1.5", b"1/2", b"NULL", b"\xd9\xa1", b"9" * 400),
)
"""What stands where a number should be."""
_NUMBER = re.compile(rb"-?\d+(?:\.\d+)?")
_ELEMENT = re.compile(rb"<(\w+)[^<>]*>[^<]*</\1>\s*|<(\w+)[^<>]*/>\s*")
Mutation = Callable[[bytes], bytes]


@st.composite
def of_bytes(draw: st.DrawFn) -> Mutation:
    """Flip, overwrite, cut, repeat, insert or leave out some bytes."""
    kind = draw(st.sampled_from(("flip", "overwrite", "cut", "repeat", "insert", "leave out", "zero")))
    place, length = draw(st.floats(0, 1, exclude_max=True)), draw(st.integers(1, 64))
    value = draw(st.binary(min_size=1, max_size=16))

    def mutate(data: bytes) -> bytes:
        at = int(place * len(data))
        changes = {
            "flip": data[:at] + bytes(byte ^ value[0] for byte in data[at : at + 1]) + data[at + 1 :],
            "overwrite": data[:at] + value + data[at + len(value) :],
            "cut": data[:at],
            "repeat": data[:at] + data[at : at + length] * 3 + data[at + length :],
            "insert": data[:at] + value + data[at:],
            "leave out": data[:at] + data[at + length :],
            "zero": data[:at] + bytes(length) + data[at + length :],
        }
        return changes[kind]

    return mutate


@st.composite
def of_numbers(draw: st.DrawFn) -> Mutation:
    """Put something hostile where a number stands."""
    place, value = draw(st.floats(0, 1, exclude_max=True)), draw(st.sampled_from(HOSTILE))

    def mutate(data: bytes) -> bytes:
        # Of the thousands of samples any will do; most of the numbers that matter stand outside of lists.
        found = [match.span() for match in _NUMBER.finditer(data) if data[match.end() : match.end() + 1] != b","]
        if not found:
            return data
        start, end = found[int(place * len(found))]
        return data[:start] + value + data[end:]

    return mutate


@st.composite
def of_elements(draw: st.DrawFn) -> Mutation:
    """Leave out, double, empty or move an element of an XML, or all from one element to another."""
    kind = draw(st.sampled_from(("leave out", "double", "empty", "move", "cut between")))
    first, second = (draw(st.floats(0, 1, exclude_max=True)) for _ in range(2))

    def mutate(data: bytes) -> bytes:
        found = [match.span() for match in _ELEMENT.finditer(data)]
        if not found:
            return data
        (start, end), (other, _) = sorted(found[int(place * len(found))] for place in (first, second))
        element = data[start:end]
        changes = {
            "leave out": data[:start] + data[end:],
            "double": data[:end] + element + data[end:],
            "empty": data[:start] + re.sub(rb">[^<]*<", b"><", element) + data[end:],
            "move": data[:start] + data[end:other] + element + data[other:] if other >= end else data,
            "cut between": data[:start] + data[other:],
        }
        return changes[kind]

    return mutate


@st.composite
def of_splices(draw: st.DrawFn, others: Sequence[bytes]) -> Mutation:
    """Put a piece of another file in."""
    other = draw(st.sampled_from(others))
    start, end, place = (draw(st.floats(0, 1)) for _ in range(3))

    def mutate(data: bytes) -> bytes:
        low, high = sorted((int(start * len(other)), int(end * len(other))))
        at = int(place * len(data))
        return data[:at] + other[low:high] + data[at:]

    return mutate


def mutated(seeds: Sequence[bytes], *kinds: st.SearchStrategy[Mutation], most: int = 6) -> st.SearchStrategy[bytes]:
    """A seed after one to `most` mutations."""

    def apply(data: bytes, mutations: list[Mutation]) -> bytes:
        for mutation in mutations:
            data = mutation(data)
        return data

    return st.builds(apply, st.sampled_from(seeds), st.lists(st.one_of(*kinds), min_size=1, max_size=most))
