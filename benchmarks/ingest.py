"""Ingest against the sum of its parts, against decoding everything, and against itself with more processes."""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pydicom
import tensorstore
import zarr
from numpy.typing import NDArray

from benchmarks.measure import Row, median_pair
from benchmarks.raw_cohort import link_raw, make_recordings
from eccl.config import Params
from eccl.data import arrays
from eccl.data.layouts import ecg_specs
from eccl.ingest.reader.supervisor import ReaderProcess
from eccl.ingest.record import record_readers
from eccl.ingest.run import run_ingest
from eccl.readers.ecg.cardiosoft import read_ecg_xml
from eccl.signal.baseline import remove_baseline
from eccl.signal.beats import choose_period
from eccl.signal.quality import measure_quality
from eccl.simulate import SimulationConfig, simulate_cohort
from eccl.versioning.initialise import init_workspace
from eccl.workspace import Workspace

SHARD = ecg_specs(1024)[0].shard_rows


def full_disclosure(content: bytes) -> Row:
    """Our reader against ElementTree and int() of every number in the file."""

    def everything() -> list[int]:
        # The long-form samples are the tail of an element, not its text.
        elements = ElementTree.fromstring(content).iter()
        texts = (text for element in elements for text in (element.text, element.tail) if text)
        return [int(part) for text in texts if "," in text for part in text.split(",") if _is_integer(part)]

    ours, theirs = median_pair(lambda: read_ecg_xml(content), everything, 5)
    size = f"{len(content) / 1e6:.1f} MB file with FullDisclosure"
    return Row("ECG XML, full disclosure", "read_ecg_xml", "ElementTree + int()", ours, theirs, "s", size)


def _is_integer(part: str) -> bool:
    return part.strip().lstrip("-").isdigit()


def parser_memory(plain: Path, full: Path) -> Row:
    """Memory that reading a file adds at its peak, the file's own bytes left out: with full disclosure, and without."""
    with_it, without = (_added_memory(path, plain) for path in (full, plain))
    config = f"peak above a process that has read one file before; files of {full.stat().st_size / 1e6:.1f} and "
    config += f"{plain.stat().st_size / 1e6:.1f} MB"
    return Row("memory of the ECG reader", "with FullDisclosure", "without", with_it, without, "MB", config)


def _added_memory(path: Path, warm: Path) -> float:
    program = (
        "import re, sys\nfrom eccl.readers.ecg.cardiosoft import read_ecg_xml\n"
        "field = lambda name: int(re.search(name + r':\\s+(\\d+)', open('/proc/self/status').read())[1]) / 1e3\n"
        "read_ecg_xml(open(sys.argv[2], 'rb').read())\ncontent = open(sys.argv[1], 'rb').read()\n"
        "open('/proc/self/clear_refs', 'w').write('5')\nbefore = field('VmRSS')\nread_ecg_xml(content)\n"
        "print(field('VmHWM') - before)"
    )
    command = [sys.executable, "-c", program, str(path), str(warm)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def file_to_row(scratch: Path, recordings: list[Path]) -> Row:
    """One core, a shard of files: the ingest against parsing, numbers and compression of the same files."""
    raw = scratch / "one-shard"
    link_raw(raw, recordings, range(SHARD))
    whole = _fresh_ingest(scratch, raw, workers=1)
    parts = _parts(scratch, [recordings[visit % len(recordings)] for visit in range(SHARD)])
    config = (
        f"{SHARD} files, one shard, one core; tables, splits and labels included; the reference is a sum of its parts"
    )
    return Row("ECG file to committed row", "eccl ingest", "parse + numbers + compression", whole, parts, "s", config)


def _parts(scratch: Path, recordings: list[Path]) -> float:
    files = [recordings[visit % len(recordings)] for visit in range(SHARD)]
    start = time.perf_counter()
    raw: dict[int, NDArray[np.int16]] = {}
    clean: dict[int, NDArray[np.int16]] = {}
    for row, path in enumerate(files):
        ecg = read_ecg_xml(path.read_bytes())
        period, _ = choose_period(ecg.measurements.ventricular_rate_bpm, ecg.signal_uv, ecg.sample_rate_hz)
        raw[row] = ecg.signal_uv
        clean[row] = np.rint(remove_baseline(ecg.signal_uv, period)).astype(np.int16)
        measure_quality(raw[row], clean[row], ecg.sample_rate_hz)
    data = scratch / "parts"
    for spec, records in zip(ecg_specs(SHARD), (raw, clean), strict=True):
        arrays.prepare_array(data, spec, 1)
        arrays.write_shard(data, spec, 0, records)
    return time.perf_counter() - start


def processes(scratch: Path, recordings: list[Path]) -> Row:
    """Two worker processes against one, sixteen shards of 512."""
    raw = scratch / "sixteen-shards"
    link_raw(raw, recordings, range(8192))
    one = _fresh_ingest(scratch, raw, workers=1, shard_rows=512)
    two = _fresh_ingest(scratch, raw, workers=2, shard_rows=512)
    return Row("2 worker processes", "2 processes", "1 process", two, one, "s", "8192 ECGs in 16 shards, whole ingest")


def _fresh_ingest(scratch: Path, raw: Path, workers: int, shard_rows: int = SHARD) -> float:
    place: Workspace = init_workspace(scratch / "study", {"ecg_shard_rows": shard_rows})
    start = time.perf_counter()
    run_ingest(place, raw, workers=workers)
    seconds = time.perf_counter() - start
    shutil.rmtree(place.root)
    return seconds


def cine(path: Path) -> Row:
    """A study to a record against decoding every one of its files."""
    reader = record_readers(Params())[1]

    def decode() -> None:
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                if name.endswith(".dcm"):
                    _ = pydicom.dcmread(io.BytesIO(archive.read(name))).pixel_array

    with zipfile.ZipFile(path) as archive:
        count = sum(name.endswith(".dcm") for name in archive.namelist())
    process = ReaderProcess(Params().limits)  # as in an ingest: the record crosses a process border
    ours, theirs = median_pair(lambda: process.read(path, reader.read), decode, 5)
    process.close()
    return Row(
        "cine zip to record",
        "eccl reader process",
        "pydicom, every file",
        ours,
        theirs,
        "s",
        f"{count} files in the zip",
    )


def random_reads(spec: arrays.ArraySpec, records: NDArray[np.generic], batch: int) -> list[Row]:
    """Batches of random records: ours against zarr-python, bare tensorstore and a memory map of the same data."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        arrays.prepare_array(data, spec, 1)
        arrays.write_shard(data, spec, 0, dict(enumerate(records)))
        mapped = np.memmap(data / "plain", records.dtype, "w+", shape=records.shape)
        mapped[:] = records
        rows = np.random.default_rng(0).permutation(len(records))[:batch]
        default = zarr.open_array(str(data / spec.name), mode="r")
        kvstore = {"driver": "file", "path": str(data / spec.name)}
        bare = tensorstore.open({"driver": "zarr3", "kvstore": kvstore}, read=True).result()
        opened = arrays.open_array(data, spec.name)
        peers: dict[str, Callable[[], object]] = {
            "zarr-python oindex": lambda: default.oindex[rows],
            "bare tensorstore": lambda: bare[rows].read().result(),
            "numpy memmap": lambda: np.array(mapped[rows]),
        }
        found = []
        for peer, work in peers.items():
            ours, theirs = median_pair(lambda: opened.read(rows).result(), work, 15)
            config = f"{spec.name}, {batch} of {len(records)} in random order"
            found.append(Row("random batch", "eccl.data.open_array", peer, ours, theirs, "s", config))
        return found


def worker_memory(scratch: Path, recordings: list[Path]) -> Row:
    """Largest resident set of one process that ingests four shards of 256, against one shard."""
    peaks = []
    for shards in (4, 1):
        raw = scratch / f"memory-{shards}"
        link_raw(raw, recordings, range(256 * shards))
        place = init_workspace(scratch / f"memory-study-{shards}", {"ecg_shard_rows": 256})
        program = (
            "import re, sys\nfrom pathlib import Path\nfrom eccl.ingest.run import run_ingest\nfrom eccl.workspace import "
            "Workspace\nrun_ingest(Workspace(Path(sys.argv[1])), sys.argv[2], workers=1)\n"
            "print(int(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1]) / 1e3)"
        )
        command = [sys.executable, "-c", program, str(place.root), str(raw)]
        peaks.append(float(subprocess.run(command, capture_output=True, text=True, check=True).stdout))
    return Row("peak memory of a worker", "4 shards of 256 ECGs", "1 shard", peaks[0], peaks[1], "MB", "one process")


def measure() -> list[Row]:
    """Measure on simulated files."""
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        recordings = make_recordings(scratch / "distinct")
        full = make_recordings(scratch / "full", 2, full_disclosure_share=1.0)[0]
        study = _study(scratch / "cine")
        signals = np.stack([read_ecg_xml(path.read_bytes()).signal_uv for path in recordings])
        ecg_kind, cine_kind = record_readers(Params())
        frames = cine_kind.read(study).arrays["cine.zarr/frames"]
        cines = np.stack([np.roll(frames, row, axis=2) for row in range(64)])
        return [
            full_disclosure(full.read_bytes()),
            parser_memory(recordings[0], full),
            file_to_row(scratch, recordings),
            processes(scratch, recordings),
            worker_memory(scratch, recordings),
            cine(study),
            *random_reads(ecg_kind.specs[1], signals, 128),
            *random_reads(cine_kind.specs[0], cines, 16),
        ]


def _study(folder: Path) -> Path:
    config = SimulationConfig(
        participants=1,
        seed=3,
        corruption_share=0,
        missing_cine_share=0,
        withdrawn=0,
        second_visit_share=0,
        slices=(10, 10),
    )
    simulate_cohort(folder, config)
    return next(folder.rglob("*_20209_2_0.zip"))
