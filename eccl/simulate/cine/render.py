"""A short-axis cine study from a heart's state: a beating heart over a torso, coil shading, complex noise.

What differs between two studies of equal hearts: place, rotation, contrasts, grey scale, shading, noise, and where every
breath-hold put its slice.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eccl.simulate.cine.heart_paint import PolarGrid, Window, flow_texture, heart_window, limit_resolution, paint_heart
from eccl.simulate.cine.torso import Image, ImagePlane, Signals, coil_shading, draw_signals, draw_torso, image_plane
from eccl.simulate.heart.contours import emptying, scanned_beats, slice_contours
from eccl.simulate.heart.state import HeartState

SLICE_THICKNESS_MM, SLICE_STEP_MM = 8.0, 10.0
THIN_PLANES, THIN_PLANES_PER_BEAT = 5, 3  # of which a slice is the mean; fewer where several beats are mixed
SPACINGS_MM = (1.770833, 1.8, 1.826923)
CENTRE_ROW, CENTRE_COLUMN = (0.48, 0.04), (0.53, 0.035)  # LV axis as share of height and width, with SD [M]
CENTRE_LIMIT_SD = 2.0
ROTATION_SD_DEG, ROTATION_LIMIT_DEG = 12.0, 30.0  # [M]
# Every slice is a breath-hold of its own: it is off its place through the plane and in it [M].
MISPLACED_MM, MISPLACED_LIMIT_MM, SHIFTED_MM = 2.2, 5.0, 1.3
BLOOD_LEVEL, BLOOD_LEVEL_SD_LOG = 160.0, 0.35  # grey level of blood [P]
BLOOD_SNR = (20.0, 30.0, 45.0)  # least, usual, most [M]
GHOST_SHARE = 0.05  # of the image, displaced along the rows where beats differ [M]
LARGEST_VALUE = 4095  # 12 bits stored
NOISE_BANK = 1 << 18
STREAM_BEATS, STREAM_SLICE = 0, 1  # a study's streams of randomness: its beats, and one per slice


@dataclass(frozen=True, slots=True, eq=False)
class Cine:
    """A study: frames (slices, frames, rows, columns) uint16 from base to apex, and their positions.

    `offsets_mm` are positions along the axis from the mid slice towards the apex, `centre_px` the LV's (row, column).
    """

    frames: NDArray[np.uint16]
    spacing_mm: float
    offsets_mm: tuple[float, ...]
    centre_px: tuple[float, float]
    rr_ms: float


@dataclass(frozen=True, slots=True, eq=False)
class Scan:
    """A study before its pixels: what all slices share, drawn once, so that a slice can be rendered alone.

    `offsets_mm` are positions along the axis from the mid slice towards the apex as planned, `misplaced_mm` how far each
    slice is from there: along the axis, right and down. `layout` holds twelve standard normals that place one
    person's organs, `scale` is the grey level of blood, `seed` the start of each slice's own stream.
    """

    state: HeartState
    plane: ImagePlane
    signals: Signals
    layout: NDArray[np.float64]
    rotation_deg: float
    scale: float
    blood_snr: float
    frame_count: int
    offsets_mm: tuple[float, ...]
    misplaced_mm: NDArray[np.float64]
    seed: int

    @property
    def matrix(self) -> tuple[int, int]:
        """Rows and columns."""
        rows, columns = self.plane.x.shape
        return rows, columns

    @property
    def spacing_mm(self) -> float:
        return self.plane.spacing_mm

    @property
    def centre_px(self) -> tuple[float, float]:
        """Row and column of the left ventricle's axis."""
        return self.plane.centre_row, self.plane.centre_column

    @property
    def rr_ms(self) -> float:
        return 60_000.0 / self.state.cmr_heart_rate

    def render(self, index: int) -> NDArray[np.uint16]:
        """Frames (frames, rows, columns) of one slice, counted from the base; no other slice has to be rendered."""
        rng = self._stream(STREAM_SLICE, index)
        window = heart_window(self.plane)
        static = self._static(index)
        shading = coil_shading(self.plane, self.layout) * self.scale
        heart = self._heart(index, window, static[window], rng)
        noise = rng.standard_normal(NOISE_BANK, dtype=np.float32) * np.float32(self.scale / self.blood_snr)
        out = np.empty((self.frame_count, *self.matrix), dtype=np.uint16)
        ghosts = _ghosts(static * shading, self.frame_count, rng) if self.state.atrial_fibrillation else None
        _expose(out, static * shading, heart * shading[window], window, noise, rng, ghosts)
        return out

    def _static(self, index: int) -> Image:
        background = draw_torso(self.state, self.plane, self.signals, self.layout, self.offsets_mm[index])
        return np.asarray(np.where(background > 0, limit_resolution(background), 0.0), dtype=np.float32)

    def _heart(self, index: int, window: Window, background: Image, rng: np.random.Generator) -> Image:
        along, right, down = self.misplaced_mm[index].tolist()
        depth = 0.5 * self.state.lv_length + self.offsets_mm[index] + along
        # Beats are drawn per study: a slice's own stream would give every slice another rhythm.
        beats = scanned_beats(self.state, self.frame_count, self._stream(STREAM_BEATS))
        count = THIN_PLANES if len(beats) == 1 else THIN_PLANES_PER_BEAT
        planes = SLICE_THICKNESS_MM * ((np.arange(count) + 0.5) / count - 0.5)
        layers = [slice_contours(self.state, beat, depth + plane) for plane in planes for beat in beats]
        polar = PolarGrid.of(self.plane, window, self.rotation_deg, (right, down))
        texture = flow_texture(rng, polar.radius.shape)
        empty = emptying(self.state, self.frame_count)
        return paint_heart(layers, polar, background, self.signals, texture, empty)

    def _stream(self, *purpose: int) -> np.random.Generator:
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=purpose))

    def record(self) -> Cine:
        """Render every slice; slice 0 is the most basal, frame 0 is end-diastole."""
        frames = np.stack([self.render(index) for index in range(len(self.offsets_mm))])
        return Cine(frames, self.spacing_mm, self.offsets_mm, self.centre_px, self.rr_ms)


def plan_scan(
    state: HeartState,
    rng: np.random.Generator,
    *,
    slices: int = 5,
    frames: int = 50,
    matrix: tuple[int, int] = (208, 187),
) -> Scan:
    """Plan a stack of `slices` planes, 10 mm apart and centred on the mid-ventricle, of `frames` frames each."""
    rows, columns = matrix
    spacing = float(rng.choice(SPACINGS_MM))
    row, column = (
        mean + sd * float(np.clip(rng.standard_normal(), -CENTRE_LIMIT_SD, CENTRE_LIMIT_SD))
        for mean, sd in (CENTRE_ROW, CENTRE_COLUMN)
    )
    misplaced = rng.standard_normal((slices, 3)) * (MISPLACED_MM, SHIFTED_MM, SHIFTED_MM)
    return Scan(
        state=state,
        plane=image_plane(rows, columns, spacing, (row, column)),
        signals=draw_signals(rng),
        layout=rng.standard_normal(12),
        rotation_deg=float(np.clip(ROTATION_SD_DEG * rng.standard_normal(), -ROTATION_LIMIT_DEG, ROTATION_LIMIT_DEG)),
        scale=BLOOD_LEVEL * float(np.exp(BLOOD_LEVEL_SD_LOG * rng.standard_normal())),
        blood_snr=float(rng.triangular(*BLOOD_SNR)),
        frame_count=frames,
        offsets_mm=tuple((i - (slices - 1) / 2.0) * SLICE_STEP_MM for i in range(slices)),
        misplaced_mm=np.clip(misplaced, -MISPLACED_LIMIT_MM, MISPLACED_LIMIT_MM),
        seed=int(rng.integers(2**63)),
    )


def _ghosts(static: Image, frames: int, rng: np.random.Generator) -> Image:
    """Faint copies of the image half a field of view up and down, as strong as the beats of that frame differ."""
    copy = np.float32(GHOST_SHARE) * np.roll(static, len(static) // 2, axis=0)
    strength = np.cos(2.0 * np.pi * (np.arange(frames) / frames + rng.random())).astype(np.float32)
    return np.asarray(np.abs(strength)[:, None, None] * copy, dtype=np.float32)


def _expose(
    out: NDArray[np.uint16],
    static: Image,
    heart: Image,
    window: Window,
    bank: NDArray[np.float32],
    rng: np.random.Generator,
    ghosts: Image | None,
) -> None:
    """Write one slice's frames: magnitude of signal plus complex noise, rounded to 12 bits."""
    size = static.size
    # Air is masked, as scanners may do: noise there would be half of a study's bytes and no information [P].
    body = (static > 0).astype(np.float32)
    starts = rng.integers(0, len(bank) - size, size=(len(out), 2))
    signal = static.copy()
    for frame in range(len(out)):
        signal[window] = heart[frame]
        real = signal if ghosts is None else signal + ghosts[frame]
        real = real + bank[starts[frame, 0] : starts[frame, 0] + size].reshape(signal.shape)
        imaginary = bank[starts[frame, 1] : starts[frame, 1] + size].reshape(signal.shape)
        np.multiply(real, real, out=real)
        real += imaginary * imaginary
        np.sqrt(real, out=real)
        real += np.float32(0.5)
        real *= body
        np.minimum(real, np.float32(LARGEST_VALUE), out=real)
        out[frame] = real
