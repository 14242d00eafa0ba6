"""Real files of other projects, renamed as UK Biobank names them, through the ingest."""

from __future__ import annotations

import shutil
import xml.etree.ElementTree as ElementTree
import zipfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pydicom
import pytest

from eccl.data.arrays import read_rows
from eccl.data.parts import read_table
from eccl.ingest.run import run_ingest
from eccl.workspace import Workspace
from tests.support.paths import CARDIOSOFT_ECG, MUSE_ECG, SAMPLES, SUNNYBROOK_SLICES, needs
from tests.support.workspaces import make_workspace

LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """An ingest of three slices of a cine, and of other real files where they are at hand."""
    folder = tmp_path_factory.mktemp("real files")
    raw = folder / "raw"
    raw.mkdir()
    shutil.copy(SUNNYBROOK_SLICES, raw / "9000001_20209_2_0.zip")
    if SAMPLES.is_dir():
        shutil.copy(CARDIOSOFT_ECG, raw / "9000001_20205_2_0.xml")
        shutil.copy(MUSE_ECG, raw / "9000002_20205_2_0.xml")
        for number, file in enumerate(sorted((SAMPLES / "dicom_edge").glob("*.dcm")), 3):
            with zipfile.ZipFile(raw / f"900000{number}_20209_2_0.zip", "w") as archive:
                archive.write(file, "image.dcm")
        shutil.copy(SAMPLES / "dicom_edge/bad_sequence.dcm", raw / "stray.dcm")
    workspace = make_workspace(folder / "workspace")
    run_ingest(workspace, raw, workers=1)
    return workspace


@needs(SAMPLES)
def test_ecg_reads_back_exactly(real: Workspace) -> None:
    tree = ElementTree.parse(CARDIOSOFT_ECG)
    counts = {
        w.get("lead"): np.array([int(n) for n in (w.text or "").split(",")])
        for w in tree.findall("StripData/WaveformData")
    }
    expected = np.stack([counts[lead] for lead in LEADS]) * 5
    (row,) = read_table(real.data, "recordings").to_pylist()
    (raw,) = read_rows(real.data, "ecg.zarr/raw", [row["row"]])
    np.testing.assert_array_equal(raw, expected)
    np.testing.assert_array_equal(raw[2], raw[1].astype(int) - raw[0])
    assert row["ventricular_rate_bpm"] == 42
    assert row["sokolow_lvh_mv"] is None


def test_cine_reads_back_under_its_recorded_scale(real: Workspace) -> None:
    (row,) = read_table(real.data, "cines").to_pylist()
    (frames,) = read_rows(real.data, "cine.zarr/frames", [row["row"]])
    native = _sunnybrook_slices(SUNNYBROOK_SLICES)
    assert (row["native_frames"], row["is_resampled"], row["slice_count"]) == (20, True, 3)
    top, left = row["window_top"], row["window_left"]
    scale = (row["intensity_high"] - row["intensity_low"]) / 255
    stored = row["intensity_low"] + frames.astype(float) * scale
    # Every fifth of the 50 frames falls on every second of the 20; the base's end is unknown, so either count may hold.
    errors = [
        np.abs(stored[::5] - slice_[::2, top : top + 112, left : left + 112]).max()
        for slice_ in (native[row["mid_slice"]], native[-1 - row["mid_slice"]])
    ]
    assert min(errors) <= scale / 2 + 1e-6


@needs(SAMPLES)
def test_foreign_and_broken_files_end_in_quarantine(real: Workspace) -> None:
    reasons = {row["path"]: row["reason"] for row in read_table(real.data, "quarantine").to_pylist()}
    assert reasons.pop("9000002_20205_2_0.xml") == "ecg_muse_dialect"
    assert reasons.pop("stray.dcm") == "bad_name"
    assert len(reasons) == 3
    assert all(reason.startswith("cine_") for reason in reasons.values())
    assert all(row["remedy"] for row in read_table(real.data, "quarantine").to_pylist())


@needs(SAMPLES)
def test_the_visit_with_both_is_a_pair_without_any_table(real: Workspace) -> None:
    pairs = read_table(real.data, "pairs").to_pylist()
    assert [(pair["eid"], pair["instance"], pair["trait_count"]) for pair in pairs] == [(9_000_001, 2, 0)]


def _sunnybrook_slices(path: Path) -> list[np.ndarray]:
    planes: dict[float, list[tuple[float, np.ndarray]]] = {}
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if name.endswith(".dcm"):
                image = pydicom.dcmread(BytesIO(archive.read(name)))
                normal = np.cross(image.ImageOrientationPatient[:3], image.ImageOrientationPatient[3:])
                depth = round(float(np.dot(normal, image.ImagePositionPatient)), 1)
                planes.setdefault(depth, []).append((float(image.TriggerTime), image.pixel_array))
    return [
        np.stack([pixels for _, pixels in sorted(frames, key=lambda f: f[0])]) for _, frames in sorted(planes.items())
    ]
