"""Documented corruptions of raw files, each with what a reader is expected to do about it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from pydicom.uid import JPEG2000Lossless, RLELossless

from eccl.errors import Reason
from eccl.simulate.cine.dicom_zip import (
    INLINE_VF_SERIES,
    MIXED_SERIES,
    SHORT_AXIS_SERIES,
    Member,
    StudyHeader,
    compress_member,
    repeat_slice,
    study_members,
    write_zip,
)
from eccl.simulate.cine.render import Cine

Modality = Literal["ecg", "cine"]
ACCEPTED, FLAGGED = "accepted", "flagged"


def _quarantined(reason: Reason) -> str:
    return f"quarantined:{reason.value}"


# What a careful reader does: "accepted" without remark, "flagged" but usable, or "quarantined:<reason>".
ECG_CORRUPTIONS: dict[str, str] = {
    "truncated_xml": _quarantined(Reason.XML_MALFORMED),
    "missing_lead": _quarantined(Reason.ECG_LEADS_MISSING),
    "poor_data_quality": FLAGGED,
    "blank_sample": _quarantined(Reason.ECG_SAMPLES_NOT_INTEGER),
    "lead_identity_broken": _quarantined(Reason.ECG_LEAD_IDENTITY),
    "empty_ventricular_rate": FLAGGED,
    "muse_root": _quarantined(Reason.ECG_MUSE_DIALECT),
    "no_measurements": FLAGGED,
    "lower_case_leads": ACCEPTED,
}
CINE_CORRUPTIONS: dict[str, str] = {
    # Of a repeated slice the later acquisition counts; slices in one series do not show which end is the base.
    "not_a_zip": _quarantined(Reason.ZIP_MALFORMED),
    "repeat_series": ACCEPTED,
    "missing_frame": FLAGGED,
    "inline_vf_only": _quarantined(Reason.CINE_NO_SHORT_AXIS),
    "truncated_member": FLAGGED,
    "jpeg2000_member": ACCEPTED,
    "empty_zip": _quarantined(Reason.CINE_NO_DICOM),
    "mixed_series": FLAGGED,
    "missing_manifest": ACCEPTED,
    "rle_member": ACCEPTED,
}


@dataclass(frozen=True, slots=True)
class PlannedCorruption:
    """One file that will be corrupted."""

    index: int
    instance: int
    modality: Modality
    kind: str

    @property
    def expected(self) -> str:
        return (ECG_CORRUPTIONS if self.modality == "ecg" else CINE_CORRUPTIONS)[self.kind]


def plan_corruptions(
    files: list[tuple[int, int, Modality]], share: float, rng: np.random.Generator
) -> list[PlannedCorruption]:
    """Choose the nearest whole number of files per modality; kinds take turns, so that few files show many kinds.

    Parameters
    ----------
    files
        (participant index, instance, modality) of every file.
    """
    plan = []
    modalities: tuple[Modality, ...] = ("ecg", "cine")
    for modality in modalities:
        candidates = [file for file in files if file[2] == modality]
        kinds = list(ECG_CORRUPTIONS if modality == "ecg" else CINE_CORRUPTIONS)
        offset = int(rng.integers(len(kinds)))
        chosen = rng.permutation(len(candidates))[: round(share * len(candidates))]
        for turn, position in enumerate(sorted(chosen.tolist())):
            index, instance, _ = candidates[position]
            plan.append(PlannedCorruption(index, instance, modality, kinds[(offset + turn) % len(kinds)]))
    return plan


def corrupt_ecg(xml: bytes, kind: str) -> bytes:
    """Apply one corruption of ECG_CORRUPTIONS to a file's bytes."""
    if kind == "truncated_xml":
        return xml[: int(0.6 * len(xml))]
    if kind == "missing_lead":
        return _replace_last(xml, rb'\t\t<WaveformData lead="V3">.*?</WaveformData>\r\n', b"")
    if kind == "blank_sample":
        # A hole in lead II of the strip: ",12," becomes ",,".
        return _replace_last(xml, rb'(\t<WaveformData lead="II">\t\t-?\d+,)-?\d+,', rb"\1,")
    if kind == "lead_identity_broken":
        return _replace_last(xml, rb'(<WaveformData lead="III">)(.*?)(</WaveformData>)', _rescaled)
    if kind == "empty_ventricular_rate":
        return re.sub(rb"(<VentricularRate[^>]*>)\d+<", rb"\1<", xml)
    if kind == "no_measurements":
        return re.sub(rb"\t<RestingECGMeasurements>.*</RestingECGMeasurements>\r\n", b"", xml, flags=re.DOTALL)
    if kind == "muse_root":
        return xml.replace(b"<CardiologyXML>", b"<RestingECG>").replace(b"</CardiologyXML>", b"</RestingECG>")
    if kind == "poor_data_quality":
        text = b"\t<Interpretation>\r\n\t\t<Diagnosis>\r\n\t\t\t<DiagnosisText>Poor data quality, interpretation "
        text += b"may be adversely affected</DiagnosisText>\r\n\t\t</Diagnosis>\r\n\t</Interpretation>"
        return re.sub(rb"\t<Interpretation>.*?\t</Interpretation>", text, xml, flags=re.DOTALL)
    if kind == "lower_case_leads":
        return re.sub(rb'lead="(\w+)"', lambda found: b'lead="' + found[1].lower() + b'"', xml)
    raise AssertionError(f"{kind} is not a corruption of an ECG")


def _replace_last(xml: bytes, pattern: bytes, replacement: bytes | Callable[[re.Match[bytes]], bytes]) -> bytes:
    """Replace inside the strip only: the median beats use the same elements before it."""
    head, mark, strip = xml.rpartition(b"<StripData>")
    return head + mark + re.sub(pattern, replacement, strip, count=1, flags=re.DOTALL)


def _rescaled(found: re.Match[bytes]) -> bytes:
    return found[1] + re.sub(rb"-?\d+", lambda n: str(2 * int(n[0]) + 40).encode(), found[2]) + found[3]


def write_cine(cine: Cine, header: StudyHeader, rng: np.random.Generator, kind: str | None) -> bytes:
    """Write a study's zip, with one corruption of CINE_CORRUPTIONS or none.

    The manifest is called manifest.csv or manifest.cvs, both of which occur.
    """
    manifest = "manifest.cvs" if rng.random() < 0.5 else "manifest.csv"
    if kind == "not_a_zip":
        return b"<html><body>502 Bad Gateway</body></html>\n" * 40
    if kind == "empty_zip":
        return write_zip([], header, rng, manifest=None)
    pattern = MIXED_SERIES if kind == "mixed_series" else SHORT_AXIS_SERIES
    members = study_members(cine, header, rng, series_name=pattern)
    middle = len(cine.frames) // 2
    if kind == "repeat_series":
        members += repeat_slice(cine, header, members, middle, rng)
    elif kind == "inline_vf_only":
        members = [member for member in members if member.series == INLINE_VF_SERIES]
    elif kind in _MEMBER_CORRUPTIONS:
        # Frame 7 of the middle slice, so that it matters whatever slice is stored.
        position = middle * cine.frames.shape[1] + 7
        members = _corrupt_member(members, position, kind)
    return write_zip(members, header, rng, manifest=None if kind == "missing_manifest" else manifest)


_MEMBER_CORRUPTIONS = frozenset({"missing_frame", "truncated_member", "jpeg2000_member", "rle_member"})


def _corrupt_member(members: list[Member], position: int, kind: str) -> list[Member]:
    member = members[position]
    if kind == "missing_frame":
        return members[:position] + members[position + 1 :]
    if kind == "truncated_member":
        changed = replace(member, data=member.data[: len(member.data) // 3])
    else:
        changed = compress_member(member, JPEG2000Lossless if kind == "jpeg2000_member" else RLELossless)
    return [*members[:position], changed, *members[position + 1 :]]
