"""What the readers of :mod:`eccl.readers` would make of simulated files, without the files.

Equal to the last digit: numbers that a file holds as rounded text are rounded here, and slices are planned by the
reader's own rules.
"""

from __future__ import annotations

from datetime import date

import numpy as np
from numpy.typing import NDArray
from pydicom.uid import MRImageStorage

from eccl.readers.cine.frames import trigger_step_ms
from eccl.readers.cine.headers import FrameHeader, normalise_series
from eccl.readers.cine.series import choose_stack
from eccl.readers.cine.slices import plan_stack
from eccl.readers.cine.study import SaxSlice
from eccl.readers.ecg.cardiosoft import SAMPLE_RATE_HZ, EcgMeasurements, EcgRecord, measure_identity_error
from eccl.simulate.cine.dicom_zip import (
    INLINE_VF_FRAMES,
    MANUFACTURER,
    MODEL,
    SHORT_AXIS_SERIES,
    placement,
    stored_spacing_mm,
    trigger_text,
)
from eccl.simulate.cine.render import SLICE_STEP_MM, Scan
from eccl.simulate.ecg.measurements import measure
from eccl.simulate.ecg.render import RESOLUTION_UV
from eccl.simulate.files.cohort_files import EcgFile


def to_recording(file: EcgFile) -> EcgRecord:
    """What the reader of :mod:`eccl.readers.ecg.cardiosoft` makes of a simulated ECG's file."""
    marks = measure(file.ecg)
    signal = (file.ecg.strip.astype(np.int32) * RESOLUTION_UV).astype(np.int16)
    return EcgRecord(
        signal_uv=signal,
        sample_rate_hz=SAMPLE_RATE_HZ,
        resolution_uv=float(RESOLUTION_UV),
        low_pass_hz=100.0,
        high_pass_hz=0.01,
        observed_at=file.header.moment,
        software="CardioSoft V6.73",
        analysis="12SL V21",
        measurements=EcgMeasurements(
            ventricular_rate_bpm=_number(marks.ventricular_rate),
            pq_interval_ms=_number(marks.pq_ms),
            p_duration_ms=_number(marks.p_ms),
            qrs_duration_ms=_number(marks.qrs_ms),
            qt_interval_ms=_number(marks.qt_ms),
            qtc_interval_ms=_number(marks.qtc_ms),
            rr_interval_ms=_number(marks.rr_ms),
            pp_interval_ms=_number(marks.pp_ms),
            p_axis_deg=_number(marks.p_axis),
            r_axis_deg=_number(marks.r_axis),
            t_axis_deg=_number(marks.t_axis),
            qrs_count=marks.qrs_count,
        ),
        diagnosis_texts=file.header.diagnosis,
        beat_times_ms=tuple(5.0 * round(time / 5.0) for time in file.ecg.r_times_ms),
        lead_identity_error_uv=measure_identity_error(signal),
        flags=(),
    )


class SimulatedStudy:
    """What :class:`eccl.readers.cine.study.SaxStudy` would say of a scan's zip; slices are rendered when they are read."""

    manifest_status = "agrees"
    excluded_files = INLINE_VF_FRAMES
    manufacturer = f"{MANUFACTURER} {MODEL}"

    def __init__(self, scan: Scan, day: date) -> None:
        # Stack and slices are planned by the reader's own rules, from the headers that the files would have.
        slices = range(len(scan.offsets_mm))
        stack = choose_stack([header for index in slices for header in _slice_headers(scan, day, index)])
        plan = plan_stack(stack)
        self._scan = scan
        self.acquired_on = day
        self.matrix = scan.matrix
        self.spacing_mm = (stored_spacing_mm(scan), stored_spacing_mm(scan))
        self.native_frames = plan.native_frames
        self.slice_step_mm = plan.slice_step_mm
        self.repeat_series = plan.repeats
        self.flags = tuple(sorted(plan.flags))
        step = trigger_step_ms(plan.slices[0].slots)
        self.cycle_ms = None if step is None else scan.frame_count * step
        self.slices = tuple(
            SaxSlice(
                frame_count=len(item.slots),
                trigger_ms=tuple(None if header is None else header.trigger_ms for header in item.slots),
                position_mm=item.coordinate,
                missing_frames=0,
                series_number=None,
                nominal=item.nominal,
            )
            for item in plan.slices
        )

    @property
    def slice_count(self) -> int:
        """Number of short-axis slices."""
        return len(self.slices)

    def read_slice(self, index: int) -> NDArray[np.uint16]:
        """Render one slice, counted from the base: (frames, rows, columns)."""
        return self._scan.render(index)


def _slice_headers(scan: Scan, day: date, index: int) -> list[FrameHeader]:
    """The headers of one slice's files, as far as slices and frames are told apart by them."""
    position, orientation, location = placement(scan, index)
    rows, columns = scan.matrix
    spacing = stored_spacing_mm(scan)
    return [
        FrameHeader(
            member=index * scan.frame_count + frame,
            sop_class=MRImageStorage,
            sop_uid="",
            series_uid=str(index),
            series=normalise_series(SHORT_AXIS_SERIES.format(index + 1)),
            modality="MR",
            manufacturer=SimulatedStudy.manufacturer,
            acquired_on=day,
            series_time_s=None,
            acquisition_time_s=None,
            series_number=None,
            instance=frame + 1,
            trigger_ms=float(trigger_text(scan.rr_ms, frame, scan.frame_count)),
            nominal_interval_ms=float(round(scan.rr_ms)),
            cardiac_images=scan.frame_count,
            position=tuple(position),
            orientation=tuple(orientation),
            slice_location=location,
            slice_step_mm=SLICE_STEP_MM,
            rows=rows,
            columns=columns,
            spacing_mm=(spacing, spacing),
            samples=1,
            frames=1,
        )
        for frame in range(scan.frame_count)
    ]


def _number(value: int | None) -> float | None:
    return None if value is None else float(value)
