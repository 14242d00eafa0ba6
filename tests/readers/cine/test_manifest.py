"""The manifest is a cross-check with dialects of its own."""

from __future__ import annotations

import pytest

from eccl.readers.cine.manifest import is_manifest, parse_manifest
from eccl.readers.cine.study import open_sax_zip
from tests.support.sax_fixtures import make_stack, to_manifest, to_zip


@pytest.mark.parametrize("when", ["Aug 30, 2015", "2015-08-30"])
@pytest.mark.parametrize("name", ["manifest.csv", "manifest.cvs", "Manifest.CSV"])
def test_agreeing_manifest(when: str, name: str) -> None:
    frames = make_stack(slices=2)
    text = to_manifest(frames, when)
    with open_sax_zip(to_zip(frames, members={name: text.encode()})) as study:
        assert study.manifest_status == "agrees"
        assert study.ignored_files == 0


def test_differing_manifest_changes_nothing_but_the_status() -> None:
    frames = make_stack(slices=2)
    wrong = to_manifest(frames).replace("SAX_b2", "LAX_2Ch")
    with open_sax_zip(to_zip(frames, manifest=wrong)) as study:
        assert study.manifest_status == "differs"
        assert [item.nominal for item in study.slices] == [1, 2]
    short = "\n".join(to_manifest(frames).splitlines()[:-1])
    with open_sax_zip(to_zip(frames, manifest=short)) as study:
        assert study.manifest_status == "differs"


def test_several_manifests_are_read_together() -> None:
    frames = make_stack(slices=2)
    members = {"manifest.csv": to_manifest(frames[:7]).encode(), "manifest.cvs": to_manifest(frames[7:]).encode()}
    with open_sax_zip(to_zip(frames, members=members)) as study:
        assert study.manifest_status == "agrees"


@pytest.mark.parametrize("data", [b"", b"\x00\xff\x13", b"a,b\n1,2\n", b"filename\nx.dcm\n"])
def test_unreadable_manifest(data: bytes) -> None:
    frames = make_stack(slices=2)
    with open_sax_zip(to_zip(frames, members={"manifest.csv": data})) as study:
        assert study.manifest_status == "unreadable"


def test_rows_of_another_width_are_left_out() -> None:
    table = parse_manifest("filename,date,series discription\na.dcm,Aug 3, 2015,CINE segmented SAX b1\nb.dcm,1\n")
    assert table == {"a.dcm": "cine_segmented_sax_b1"}


def test_names() -> None:
    assert is_manifest("folder/manifest.cvs")
    assert not is_manifest("manifest.dcm")
