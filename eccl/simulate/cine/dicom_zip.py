"""Write a short-axis study as UK Biobank ships it (field 20209): a flat zip of DICOM files and a manifest.

One header per series is serialised by pydicom with place holders of fixed width; each frame's bytes are that header
with its own uid, number and time put in, which is what makes writing 300 files cheaper than compressing them.
"""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, MRImageStorage

from eccl.simulate.cine.render import SLICE_STEP_MM, SLICE_THICKNESS_MM, Cine, Scan

# Zip entries carry a time; a fixed one keeps equal content equal in bytes.
ZIP_TIME = (1980, 1, 1, 0, 0, 0)
COMPRESSION_LEVEL = 1
SERIES_SECONDS = 15  # one breath hold per slice
INLINE_VF_FRAMES = 3
MANUFACTURER, MODEL = "SIEMENS", "Aera"
SHORT_AXIS_SERIES = "CINE_segmented_SAX_b{}"
MIXED_SERIES = "CINE_segmented_SAX"
INLINE_VF_SERIES = "CINE_segmented_SAX_InlineVF"
MANIFEST_COLUMNS = "filename,patientid,date,seriesid,series discription"

_UID_MARK = "2.25." + "8" * 39
_NUMBER_MARK, _TRIGGER_MARK = "97", "8888.888"


@dataclass(frozen=True, slots=True)
class StudyHeader:
    """What the study is called: an anonymous patient id (never the eid), the time, the shape of a body."""

    patient_id: str
    moment: datetime
    male: bool
    age_years: int
    weight_kg: float
    height_m: float


@dataclass(frozen=True, slots=True)
class Member:
    """One DICOM file of a study and its line in the manifest."""

    uid: str
    series_uid: str
    series: str
    data: bytes

    @property
    def name(self) -> str:
        return f"{self.uid}.dcm"


def new_uid(rng: np.random.Generator) -> str:
    """A UUID-derived UID of 44 characters."""
    # 39 digits, and below 2^128 so that it is a UUID written in decimal.
    digits = "".join(map(str, rng.integers(0, 10, 38)))
    return f"2.25.{int(rng.integers(1, 3))}{digits}"


def study_members(
    cine: Cine, header: StudyHeader, rng: np.random.Generator, *, series_name: str = SHORT_AXIS_SERIES
) -> list[Member]:
    """The DICOM files of every slice, then a few InlineVF results with an overlay.

    Parameters
    ----------
    series_name
        Pattern of SeriesDescription; without a place for the slice number all slices form one series, as in early
        exports.
    """
    study_uid, frame_uid = new_uid(rng), new_uid(rng)
    members: list[Member] = []
    one_series = "{}" not in series_name
    series_uid = new_uid(rng)
    for index in range(len(cine.frames)):
        if not one_series or index == 0:
            series_uid = new_uid(rng)
        dataset = _series_dataset(cine, header, index, study_uid, series_uid, frame_uid)
        dataset.SeriesDescription = series_name.format(index + 1)
        members += _frames_of(cine, index, dataset, rng, first_number=index * cine.frames.shape[1] if one_series else 0)
    return members + _inline_vf(cine, header, study_uid, frame_uid, rng)


def repeat_slice(
    cine: Cine, header: StudyHeader, members: list[Member], index: int, rng: np.random.Generator
) -> list[Member]:
    """The frames of one slice acquired again later, under the same series name and another series uid."""
    first = pydicom.dcmread(io.BytesIO(members[0].data), stop_before_pixels=True)
    dataset = _series_dataset(
        cine, header, index, first.StudyInstanceUID, new_uid(rng), first.FrameOfReferenceUID, delay_series=5
    )
    dataset.SeriesDescription = SHORT_AXIS_SERIES.format(index + 1)
    return _frames_of(cine, index, dataset, rng)


def write_zip(
    members: list[Member], header: StudyHeader, rng: np.random.Generator, *, manifest: str | None = "manifest.csv"
) -> bytes:
    """Zip the members in shuffled order, with a manifest unless `manifest` is None."""
    order = rng.permutation(len(members))
    shuffled = [members[i] for i in order]
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for member in shuffled:
            archive.writestr(_entry(member.name), member.data, zipfile.ZIP_DEFLATED, COMPRESSION_LEVEL)
        if manifest is not None:
            archive.writestr(_entry(manifest), manifest_text(shuffled, header), zipfile.ZIP_DEFLATED, COMPRESSION_LEVEL)
    return buffer.getvalue()


def _entry(name: str) -> zipfile.ZipInfo:
    return zipfile.ZipInfo(name, ZIP_TIME)


def manifest_text(members: list[Member], header: StudyHeader) -> str:
    """The manifest, whose unquoted date ("Aug 30, 2015") splits into two columns, as in real exports."""
    day = f"{header.moment:%b} {header.moment.day}, {header.moment.year}"
    rows = [f"{m.name},{header.patient_id},{day},{m.series_uid},{m.series}" for m in members]
    return "\n".join([MANIFEST_COLUMNS, *rows, ""])


def _series_dataset(
    cine: Cine,
    header: StudyHeader,
    index: int,
    study_uid: str,
    series_uid: str,
    frame_uid: str,
    *,
    delay_series: int = 0,
) -> Dataset:
    """Everything that all frames of one series share, with place holders for what differs."""
    frames = cine.frames.shape[1]
    started = header.moment + timedelta(seconds=SERIES_SECONDS * (index + 1 + 20 * delay_series))
    ds = Dataset()
    ds.file_meta = _file_meta()
    ds.SpecificCharacterSet = "ISO_IR 100"
    ds.ImageType = ["ORIGINAL", "PRIMARY", "M", "RETRO", "NORM", "DIS2D"]
    ds.SOPClassUID = MRImageStorage
    ds.SOPInstanceUID = _UID_MARK
    ds.StudyDate = ds.SeriesDate = ds.AcquisitionDate = ds.ContentDate = f"{header.moment:%Y%m%d}"
    ds.StudyTime = f"{header.moment:%H%M%S}.000000"
    ds.SeriesTime = ds.AcquisitionTime = ds.ContentTime = f"{started:%H%M%S}.000000"
    ds.Modality = "MR"
    ds.Manufacturer, ds.ManufacturerModelName = MANUFACTURER, MODEL
    ds.StudyDescription = "Cardiac MR"
    ds.PatientName = ds.PatientID = header.patient_id
    ds.PatientSex = "M" if header.male else "F"
    ds.PatientAge = f"{header.age_years:03d}Y"
    ds.PatientSize, ds.PatientWeight = round(header.height_m, 2), round(header.weight_kg, 1)
    ds.ScanningSequence, ds.SequenceVariant, ds.MRAcquisitionType = "GR", "SK", "2D"
    ds.SliceThickness, ds.SpacingBetweenSlices = SLICE_THICKNESS_MM, SLICE_STEP_MM
    ds.RepetitionTime, ds.EchoTime, ds.FlipAngle, ds.MagneticFieldStrength = 31.5, 1.1, 80, 1.5
    ds.TriggerTime = _TRIGGER_MARK
    ds.NominalInterval = round(cine.rr_ms)
    ds.HeartRate = round(60_000.0 / cine.rr_ms)
    ds.CardiacNumberOfImages = frames
    ds.PatientPosition = "HFS"
    ds.ProtocolName = "CINE_segmented_SAX"
    ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.FrameOfReferenceUID = study_uid, series_uid, frame_uid
    ds.SeriesNumber = 10 + index + 20 * delay_series
    ds.AcquisitionNumber = 1
    ds.InstanceNumber = _NUMBER_MARK
    _add_image(ds, cine, index)
    return ds


def _add_image(ds: Dataset, cine: Cine, index: int) -> None:
    """Add plane and pixel description, with zeros for pixels."""
    _, _, rows, columns = cine.frames.shape
    position, orientation, location = placement(cine, index)
    ds.ImagePositionPatient, ds.ImageOrientationPatient, ds.SliceLocation = position, orientation, location
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.Rows, ds.Columns = rows, columns
    ds.PixelSpacing = [stored_spacing_mm(cine)] * 2
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
    ds.WindowCenter, ds.WindowWidth = 250, 500
    ds.PixelData = bytes(2 * rows * columns)
    ds["PixelData"].VR = "OW"


def _file_meta() -> FileMetaDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = MRImageStorage
    meta.MediaStorageSOPInstanceUID = UID(_UID_MARK)
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = UID("2.25." + "4" * 38)
    return meta


def stored_spacing_mm(cine: Cine | Scan) -> float:
    """Return the distance between pixels as written in the headers."""
    return round(cine.spacing_mm, 6)


def trigger_text(rr_ms: float, frame: int, frames: int) -> str:
    """Return TriggerTime of a frame in ms, as written in the headers."""
    return f"{frame * rr_ms / frames:.3f}"[:8]


def placement(cine: Cine | Scan, index: int) -> tuple[list[float], list[float], float]:
    """Return position of the first pixel, orientation and location of a slice as written in the headers, LPS mm.

    The short axis is oblique: the image's right is the patient's left, back and feet, its lower edge is towards the
    feet, and slices step from base to apex, which is leftwards and forwards.
    """
    row = np.array([0.6, 0.6, -0.529150])
    row /= np.linalg.norm(row)
    normal = np.array([0.62, -0.65, 0.0])
    normal[2] = -(row[0] * normal[0] + row[1] * normal[1]) / row[2]
    normal /= np.linalg.norm(normal)
    column = np.cross(row, normal)
    heart_row, heart_column = cine.centre_px
    origin = np.array([35.0, -20.0, -10.0])
    origin = origin - cine.spacing_mm * (heart_column * row + heart_row * column) + cine.offsets_mm[index] * normal
    return (
        [round(float(v), 4) for v in origin],
        [round(float(v), 6) for v in (*row, *column)],
        round(float(origin @ normal), 4),
    )


def _serialise(dataset: Dataset) -> bytes:
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()


def _frames_of(
    cine: Cine, index: int, dataset: Dataset, rng: np.random.Generator, *, first_number: int = 0
) -> list[Member]:
    pixels = cine.frames[index]
    size = pixels[0].nbytes
    frame_bytes = [pixels[frame].astype("<u2").tobytes() for frame in range(len(pixels))]
    template = _serialise(dataset)
    # Pixel data is the last element; an odd number of pixels is still an even number of bytes.
    head = template[: len(template) - size]
    number_width = len(str(first_number + len(pixels)))
    number_width += number_width % 2  # DICOM values have even length; no other element counts these bytes
    members = []
    for frame, data in enumerate(frame_bytes):
        uid = new_uid(rng)
        trigger = trigger_text(cine.rr_ms, frame, len(pixels)).ljust(8)
        number = str(first_number + frame + 1).ljust(number_width)
        own = head.replace(_UID_MARK.encode(), uid.encode()).replace(_TRIGGER_MARK.encode(), trigger.encode())
        own = own.replace(_number_element(_NUMBER_MARK), _number_element(number))
        members.append(Member(uid, dataset.SeriesInstanceUID, dataset.SeriesDescription, own + data))
    return members


def _number_element(text: str) -> bytes:
    """Bytes of (0020,0013) InstanceNumber, explicit VR little endian."""
    return b"\x20\x00\x13\x00IS" + len(text).to_bytes(2, "little") + text.encode()


def _inline_vf(
    cine: Cine, header: StudyHeader, study_uid: str, frame_uid: str, rng: np.random.Generator
) -> list[Member]:
    """A few result images with a drawn contour in the overlay plane; readers must leave them out."""
    middle = len(cine.frames) // 2
    dataset = _series_dataset(cine, header, middle, study_uid, new_uid(rng), frame_uid, delay_series=2)
    dataset.SeriesDescription = INLINE_VF_SERIES
    dataset.ImageType = ["DERIVED", "SECONDARY", "M", "RETRO", "NORM", "DIS2D", "INLINEVF"]
    _, _, rows, columns = cine.frames.shape
    y, x = np.ogrid[:rows, :columns]
    distance = np.hypot(y - cine.centre_px[0], x - cine.centre_px[1])
    ring = np.abs(distance - 14.0) < 0.8
    packed = np.packbits(ring.ravel(), bitorder="little").tobytes()
    dataset.add_new(0x60000010, "US", rows)
    dataset.add_new(0x60000011, "US", columns)
    dataset.add_new(0x60000040, "CS", "G")
    dataset.add_new(0x60000050, "SS", [1, 1])
    dataset.add_new(0x60000100, "US", 1)
    dataset.add_new(0x60000102, "US", 0)
    dataset.add_new(0x60003000, "OW", packed + bytes(len(packed) % 2))
    few = Cine(
        cine.frames[middle : middle + 1, :INLINE_VF_FRAMES],
        cine.spacing_mm,
        (cine.offsets_mm[middle],),
        cine.centre_px,
        cine.rr_ms,
    )
    return _frames_of(few, 0, dataset, rng)


def compress_member(member: Member, transfer_syntax: str) -> Member:
    """The same image under a compressed transfer syntax (RLE or JPEG 2000 lossless)."""
    dataset = pydicom.dcmread(io.BytesIO(member.data))
    dataset.compress(transfer_syntax, generate_instance_uid=False)
    return Member(member.uid, member.series_uid, member.series, _serialise(dataset))
