"""Small short-axis zips written with pydicom, one knob per trap."""

from __future__ import annotations

import io
import warnings
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage

# Short-axis planes of a heart in its usual place: the normal points to the left, front and feet.
ROW = (0.5, 0.8, -0.33)
COLUMN = (0.6, 0.0, 0.8)
_NORMAL = np.cross(np.array(ROW), np.array(COLUMN))
NORMAL = _NORMAL / np.linalg.norm(_NORMAL)
TO_APEX = NORMAL if NORMAL @ np.array([1, -1, -1]) > 0 else -NORMAL


@dataclass(eq=False)
class Frame:
    """One file to be; None leaves an element out."""

    pixels: NDArray[Any]
    series: str | None
    series_uid: str
    sop_uid: str
    instance: int | None
    trigger: float | None
    position: tuple[float, ...] | None
    orientation: tuple[float, ...] | None = (*ROW, *COLUMN)
    cardiac_images: int | None = 10
    series_time: str | None = "101500"
    series_number: int | None = 5
    date: str | None = "20150830"
    spacing: tuple[float, float] | None = (1.8, 1.9)
    modality: str = "MR"
    extra: dict[str, Any] = field(default_factory=dict)
    edit: Callable[[Dataset], None] | None = None


def make_stack(
    slices: int = 4, frames: int = 10, matrix: tuple[int, int] = (24, 20), step: float = 10.0
) -> list[Frame]:
    """A clean UK Biobank study: series b1 (base) to b<slices>, every pixel telling its slice and frame."""
    made = []
    for z in range(slices):
        for t in range(frames):
            pixels = np.arange(matrix[0] * matrix[1], dtype=np.uint16).reshape(matrix) % 7 + 100 * z + t
            made.append(
                Frame(
                    pixels=pixels.astype(np.uint16),
                    series=f"CINE_segmented_SAX_b{z + 1}",
                    series_uid=f"1.2.826.0.1.9.{50 - z}",  # string order is not slice order
                    sop_uid=f"1.2.826.0.1.9.{z}.{t}",
                    instance=t + 1,
                    trigger=20.0 * t,
                    position=tuple(np.array([-100.0, -80.0, 60.0]) + 10.0 * z * TO_APEX),
                    series_number=5 + z,
                    series_time=f"1015{z:02d}",
                    cardiac_images=frames,
                )
            )
    return made


def to_dataset(frame: Frame) -> Dataset:
    """The frame as a data set with file meta information."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = MRImageStorage
    dataset.SOPInstanceUID = frame.sop_uid
    dataset.SeriesInstanceUID = frame.series_uid
    dataset.PatientName = "NOBODY"
    dataset.PatientID = "9000001"
    dataset.Manufacturer, dataset.ManufacturerModelName = "SIEMENS", "Aera"
    dataset.Modality = frame.modality
    values = {
        "SeriesDescription": frame.series,
        "InstanceNumber": frame.instance,
        "TriggerTime": frame.trigger,
        "ImagePositionPatient": None if frame.position is None else [round(float(p), 6) for p in frame.position],
        "ImageOrientationPatient": None if frame.orientation is None else list(frame.orientation),
        "CardiacNumberOfImages": frame.cardiac_images,
        "SeriesTime": frame.series_time,
        "SeriesNumber": frame.series_number,
        "AcquisitionDate": frame.date,
        "PixelSpacing": None if frame.spacing is None else list(frame.spacing),
        **frame.extra,
    }
    for name, value in values.items():
        if value is not None:
            setattr(dataset, name, value)
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows, dataset.Columns = frame.pixels.shape
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    dataset.PixelRepresentation = int(frame.pixels.dtype.kind == "i")
    dataset.PixelData = frame.pixels.tobytes()
    if frame.edit is not None:
        frame.edit(dataset)
    return dataset


def to_file(frame: Frame) -> bytes:
    """The frame as the bytes of a .dcm file."""
    out = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some traps are values that pydicom warns about when writing
        to_dataset(frame).save_as(out, enforce_file_format=True)
    return out.getvalue()


def to_zip(
    frames: Iterable[Frame], members: dict[str, bytes] | None = None, seed: int = 3, manifest: str | None = None
) -> io.BytesIO:
    """Write a zip whose files are in shuffled order, as they come."""
    listed = list(frames)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for k in np.random.default_rng(seed).permutation(len(listed)):
            archive.writestr(f"{listed[k].sop_uid}.dcm", to_file(listed[k]))
        for name, data in (members or {}).items():
            archive.writestr(name, data)
        if manifest is not None:
            archive.writestr("manifest.csv", manifest)
    out.seek(0)
    return out


def to_manifest(frames: Iterable[Frame], when: str = "Aug 30, 2015") -> str:
    """The study's list as UK Biobank writes it: a comma in the date, a misspelt column."""
    lines = ["filename,patientid,date,seriesid,series discription"]
    lines += [f"{frame.sop_uid}.dcm,ANON,{when},{frame.series_uid},{frame.series}" for frame in frames]
    return "\n".join(lines) + "\n"
