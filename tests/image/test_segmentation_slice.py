"""Validation of segmentations, and the rules that choose a slice with and without them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from eccl.errors import Reason, Rejected
from eccl.image.mid_slice import MidSlice, choose_mid_slice
from eccl.image.segmentation import (
    LV_CAVITY,
    MYOCARDIUM,
    RV_CAVITY,
    Segmentation,
    find_segmentation,
    read_segmentation,
    to_segmentation,
)


def make_labels(lv: list[int], rv: list[int], frames: int = 4) -> NDArray[np.uint8]:
    """(z, t, y, x) with areas in pixels per slice; the LV is smallest in frame 2."""
    labels = np.zeros((len(lv), frames, 10, 12), dtype=np.uint8)
    for z, (left, right) in enumerate(zip(lv, rv, strict=True)):
        for t in range(frames):
            labels[z, t].flat[: max(left - (2 if t == 2 else 0), 0)] = LV_CAVITY
            labels[z, t].flat[60 : 60 + (right if t == 2 else 3)] = RV_CAVITY
    return labels


def test_schemes_are_converted_and_axes_turned() -> None:
    nifti = np.zeros((12, 10, 3, 4), dtype=np.int16)  # x, y, z, t
    nifti[5, 2, 1, 3], nifti[6, 2, 1, 3], nifti[7, 2, 1, 3] = 1, 2, 3
    ours = to_segmentation(nifti, "bai").labels
    assert ours.shape == (3, 4, 10, 12)
    assert ours[1, 3, 2, 5:8].tolist() == [LV_CAVITY, MYOCARDIUM, RV_CAVITY]
    assert to_segmentation(nifti, "cinema").labels[1, 3, 2, 5:8].tolist() == [RV_CAVITY, MYOCARDIUM, LV_CAVITY]
    assert to_segmentation(nifti[..., 0], "bai").labels.shape == (3, 1, 10, 12)


@pytest.mark.parametrize(
    "labels", [np.full((3, 3, 3), 4), np.full((3, 3, 3), 0.5), np.full((3, 3, 3), -1), np.zeros((3, 3))]
)
def test_other_values_and_shapes_are_rejected(labels: NDArray[np.float64]) -> None:
    with pytest.raises(Rejected) as caught:
        to_segmentation(labels, "bai")
    assert caught.value.reason is Reason.CINE_GEOMETRY


@pytest.mark.parametrize("name", ["9000001_20209_2_0.seg_sa.nii.gz", "9000001_20209_2_0/seg_sa.nii.gz"])
def test_file_beside_the_study_is_found_and_read(tmp_path: Path, name: str) -> None:
    nibabel = pytest.importorskip("nibabel")
    source = tmp_path / "9000001_20209_2_0.zip"
    assert find_segmentation(source) is None
    labels = np.random.default_rng(0).integers(0, 4, (12, 10, 3, 4)).astype(np.uint8)
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(labels, np.eye(4)), path)
    found = find_segmentation(source)
    assert found == path
    np.testing.assert_array_equal(read_segmentation(path, "bai").labels, labels.transpose(2, 3, 1, 0))
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(Rejected) as caught:
        read_segmentation(path, "bai")
    assert caught.value.reason is Reason.UNREADABLE
    assert "9000001" not in str(caught.value)


def test_rules() -> None:
    segmentation = Segmentation(make_labels(lv=[0, 20, 30, 25, 15, 6, 0], rv=[0, 10, 40, 30, 12, 0, 0]))
    assert segmentation.end_systole == 2
    assert choose_mid_slice("lv_centroid", 7, segmentation) == MidSlice(3, "lv_centroid")
    assert choose_mid_slice("rv_max", 7, segmentation) == MidSlice(2, "rv_max")
    assert choose_mid_slice("index_half", 7, segmentation) == MidSlice(3, "index_half")


def test_choice_by_name_and_its_fallbacks() -> None:
    segmentation = Segmentation(make_labels(lv=[0, 9, 9, 9, 9, 9], rv=[0, 0, 0, 0, 0, 0]))
    assert choose_mid_slice("auto", 6, segmentation) == MidSlice(3, "lv_centroid")
    assert choose_mid_slice("auto", 6, None) == MidSlice(3, "index_half")
    assert choose_mid_slice("index_half", 9, segmentation) == MidSlice(4, "index_half")
    blank = Segmentation(np.zeros((6, 2, 4, 4), dtype=np.uint8))
    assert choose_mid_slice("rv_max", 6, blank) == MidSlice(3, "index_half")
    assert choose_mid_slice("lv_centroid", 6, blank) == MidSlice(3, "index_half")
