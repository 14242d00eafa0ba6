"""A segmentation of a study, stored beside it as NIfTI.

Two label schemes are in use; every label is converted on reading, so that in this package 1 is the LV cavity,
2 the myocardium and 3 the RV cavity (the scheme of the widely used UK Biobank pipeline).
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from eccl.errors import Reason, Rejected

BACKGROUND, LV_CAVITY, MYOCARDIUM, RV_CAVITY = 0, 1, 2, 3

LabelScheme = Literal["bai", "cinema"]
AnyPath = TypeVar("AnyPath", bound=PurePath)

# Index: the label in the file; value: the label in this package.
_TO_OURS: dict[LabelScheme, tuple[int, ...]] = {
    "bai": (BACKGROUND, LV_CAVITY, MYOCARDIUM, RV_CAVITY),
    "cinema": (BACKGROUND, RV_CAVITY, MYOCARDIUM, LV_CAVITY),
}
_FILE = "seg_sa.nii.gz"
_MAX_VOXELS = 1 << 26  # twice a study of 13 slices and 50 frames of 210 x 208


@dataclass(frozen=True, slots=True)
class Segmentation:
    """Labels of a short-axis stack.

    `labels` is (z, t, y, x) uint8, slices from the base, rows and columns as in the DICOM frames,
    0 background, 1 LV cavity, 2 myocardium, 3 RV cavity.
    """

    labels: NDArray[np.uint8]

    @property
    def end_systole(self) -> int:
        """Frame with the smallest LV cavity over the whole stack."""
        return int(np.argmin((self.labels == LV_CAVITY).sum(axis=(0, 2, 3))))

    def areas(self, label: int, frame: int) -> NDArray[np.int64]:
        """Pixels of one label in every slice of one frame: (z,)."""
        return np.asarray((self.labels[:, frame] == label).sum(axis=(1, 2)), dtype=np.int64)

    def fits(self, slice_count: int, matrix: tuple[int, int]) -> bool:
        """Return whether it belongs to a stack of these slices and this matrix."""
        slices, _, rows, columns = self.labels.shape
        return (slices, rows, columns) == (slice_count, *matrix)


def segmentation_paths(source: AnyPath) -> tuple[AnyPath, AnyPath]:
    """Return the places of a study's segmentation: ``<stem>.seg_sa.nii.gz`` or ``<stem>/seg_sa.nii.gz`` beside ``<stem>.zip``."""
    return source.with_name(f"{source.stem}.{_FILE}"), source.with_suffix("") / _FILE


def find_segmentation(source: Path) -> Path | None:
    """Return the path of a study's segmentation, or None."""
    return next((path for path in segmentation_paths(source) if path.is_file()), None)


def to_segmentation(labels: NDArray[Any], scheme: LabelScheme) -> Segmentation:
    """Convert a NIfTI label array.

    Parameters
    ----------
    labels : (x, y, z) or (x, y, z, t)
        Whole numbers 0 to 3; x runs along image columns, as UK Biobank pipelines write it.
    scheme
        ``bai``: 1 LV cavity, 2 myocardium, 3 RV; ``cinema``: 1 RV, 2 myocardium, 3 LV cavity.

    Raises
    ------
    Rejected
        ``cine_geometry`` for another number of axes or values outside 0 to 3.
    """
    if labels.ndim not in (3, 4) or labels.size == 0:
        raise Rejected(
            Reason.CINE_GEOMETRY, f"a segmentation of shape {labels.shape}; expected (x, y, z) or (x, y, z, t)"
        )
    if labels.dtype.kind not in "buif":
        raise Rejected(
            Reason.CINE_GEOMETRY, f"segmentation values of type {labels.dtype}; expected whole numbers 0 to 3"
        )
    whole = np.rint(labels)
    if not np.array_equal(whole, labels) or whole.min() < 0 or whole.max() > 3:
        raise Rejected(
            Reason.CINE_GEOMETRY,
            f"segmentation values from {labels.min():g} to {labels.max():g}; expected the whole numbers 0 to 3",
        )
    ours = np.asarray(_TO_OURS[scheme], dtype=np.uint8)[whole.astype(np.uint8)]
    if ours.ndim == 3:
        ours = ours[..., None]
    return Segmentation(np.ascontiguousarray(ours.transpose(2, 3, 1, 0)))


def _check_voxels(shape: tuple[int, ...]) -> None:
    # The header alone declares how much is read, and a packed file of a few KB can fill it.
    if math.prod(shape) > _MAX_VOXELS:
        raise Rejected(
            Reason.CINE_GEOMETRY,
            f"a segmentation of shape {shape}; expected one slice stack of at most {_MAX_VOXELS} voxels",
        )


def read_segmentation(path: Path, scheme: LabelScheme) -> Segmentation:
    """Read a NIfTI segmentation.

    Raises
    ------
    Rejected
        ``unreadable`` where the file cannot be read as NIfTI; ``cine_geometry`` as in `to_segmentation`.
    """
    import nibabel  # only needed where there are segmentations

    try:
        with warnings.catch_warnings():  # scale factors of a damaged header overflow
            warnings.simplefilter("ignore")
            image = nibabel.load(path)
            _check_voxels(image.shape)  # type: ignore[attr-defined, unused-ignore]
            labels = np.asarray(image.dataobj)  # type: ignore[attr-defined, unused-ignore]
    except Rejected:
        raise
    # A damaged file can fail in the reader or in gzip in many ways; the caller gets one.
    except Exception as error:
        raise Rejected(
            Reason.UNREADABLE, f"the segmentation cannot be read as NIfTI ({type(error).__name__}); write it again"
        ) from None
    return to_segmentation(labels, scheme)
