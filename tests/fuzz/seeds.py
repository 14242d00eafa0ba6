"""Small valid files that fuzzing starts from, made by the simulator and by pydicom."""

from __future__ import annotations

import csv
import io
import re
import warnings
import zipfile
from functools import cache
from pathlib import Path

from pydicom.uid import JPEG2000Lossless, RLELossless

from eccl.simulate.cine.dicom_zip import Member, compress_member
from eccl.simulate.cohort import plan_cohort
from eccl.simulate.config import SimulationConfig
from eccl.simulate.files.cohort_files import Task, raw_bytes, tabulate_participant
from eccl.simulate.files.corruption import ECG_CORRUPTIONS, corrupt_ecg
from eccl.simulate.files.tables import rap_csv, ukbconv_csv
from tests.support.sax_fixtures import Frame, make_stack, to_file, to_manifest

CONFIG = SimulationConfig(participants=6, seed=5, withdrawn=0, missing_ecg_share=0, full_disclosure_share=0)


@cache
def ecg_file() -> bytes:
    """A CardioSoft file, as the device writes it."""
    person = plan_cohort(CONFIG).people[0]
    return raw_bytes(CONFIG, person, person.visits[-1], "ecg", None)


@cache
def ecg_files() -> tuple[bytes, ...]:
    """A CardioSoft file and its documented corruptions."""
    return (ecg_file(), *(corrupt_ecg(ecg_file(), kind) for kind in ECG_CORRUPTIONS))


def small_stack(matrix: tuple[int, int] = (8, 6)) -> list[Frame]:
    """The smallest study that is read: two slices of eight frames."""
    return make_stack(slices=2, frames=8, matrix=matrix)


def to_stored_zip(members: list[tuple[str, bytes]]) -> bytes:
    """Zip members without compression, so that a changed byte is a changed byte of a file."""
    out = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(out, "w") as archive:
        warnings.simplefilter("ignore")  # of names that occur twice
        for name, data in members:
            archive.writestr(zipfile.ZipInfo(name), data)
    return out.getvalue()


def sax_members(syntax: str | None = None) -> list[tuple[str, bytes]]:
    """Names and contents of a small study, its manifest last."""
    # JPEG 2000 halves an image five times
    frames = small_stack((8, 6) if syntax is None else (36, 34))
    members = []
    for frame in frames:
        data = to_file(frame)
        if syntax is not None:
            data = compress_member(Member(frame.sop_uid, frame.series_uid, str(frame.series), data), syntax).data
        members.append((f"{frame.sop_uid}.dcm", data))
    return [*members, ("manifest.cvs", to_manifest(frames).encode())]


@cache
def sax_zips() -> tuple[bytes, ...]:
    """Small studies: uncompressed, RLE, JPEG 2000, in stored zips; one deflated."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in sax_members():
            archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    stored = (to_stored_zip(sax_members(syntax)) for syntax in (None, RLELossless, JPEG2000Lossless))
    return (*stored, packed.getvalue())


@cache
def tables() -> tuple[bytes, ...]:
    """One cohort's tables in two dialects, few columns of each, and headers of the other dialects."""
    people = plan_cohort(CONFIG).people
    rows = [tabulate_participant(Task(Path(), CONFIG, person, ())).row for person in people]
    few = [{key: text for key, text in row.items() if key.field in _FIELDS} for row in rows]
    eids = [person.eid for person in people]
    whole = (_without_empty(ukbconv_csv(eids, few)), _without_empty(rap_csv(eids, few)))
    ukbconv = whole[0].replace(b'"', b"")
    header, _, body = ukbconv.partition(b"\n")
    in_r = re.sub(rb"(\d+)-(\d+)\.(\d+)", rb"f.\1.\2.\3", header).replace(b"eid", b"f.eid").replace(b",", b"\t")
    titles = b"Participant ID,Sex,LV ejection fraction | Instance 2,Diagnoses - ICD10\n9000001,0,55.1,I251|I489\n"
    return (*whole, in_r + b"\n" + body.replace(b",", b"\t"), titles)


_FIELDS = frozenset({31, 34, 53, 4080, 24103, 41270, 41280, 131298, 40000})


def _without_empty(table: bytes) -> bytes:
    """Leave out columns without any value, of which the simulator's exports have many."""
    rows = list(csv.reader(table.decode().splitlines()))
    kept = [place for place in range(len(rows[0])) if any(row[place] for row in rows[1:])]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerows([row[place] for place in kept] for row in rows)
    return out.getvalue().encode()


WITHDRAWALS = b"9000001\r\n9000002\r\n"
