"""Reading, cleaning and storing records against the usual ways."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import zarr
from numpy.typing import NDArray
from statsmodels.tsa.seasonal import seasonal_decompose
from zarr.codecs import BloscCodec

from benchmarks.measure import Row, median_seconds
from eccl.data import arrays
from eccl.data.layouts import ecg_specs
from eccl.readers.ecg.cardiosoft import read_ecg_xml
from eccl.signal.baseline import remove_baseline
from eccl.simulate import SimulationConfig, simulate_cohort


def baseline(ecg: NDArray[np.int16]) -> Row:
    """One-RR moving average against statsmodels' trend, 12 leads."""
    period = 491
    ours = median_seconds(lambda: remove_baseline(ecg, period), 50)
    theirs = median_seconds(lambda: [seasonal_decompose(lead, period=period).trend for lead in ecg.astype(float)], 3)
    return Row(
        "baseline removal",
        "eccl.signal.remove_baseline",
        "statsmodels.seasonal_decompose",
        ours,
        theirs,
        "s",
        "12 x 5000, period 491",
    )


def parse(content: bytes) -> Row:
    """Our streaming reader against ElementTree and int() of everything."""

    def naive() -> None:
        tree = ElementTree.fromstring(content)
        for wave in tree.iter("WaveformData"):
            np.array([int(number) for number in (wave.text or "").split(",") if number.strip()])

    ours = median_seconds(lambda: read_ecg_xml(content), 10)
    theirs = median_seconds(naive, 5)
    return Row(
        "ECG XML",
        "eccl.readers.read_ecg_xml",
        "ElementTree + int()",
        ours,
        theirs,
        "s",
        f"{len(content) / 1e6:.2f} MB file",
    )


def random_reads(ecg: NDArray[np.int16]) -> Row:
    """Batches of random records: tensorstore behind read_rows against zarr-python's default path, same files."""
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        spec = ecg_specs(512)[1]
        arrays.prepare_array(data, spec, 1)
        arrays.write_shard(data, spec, 0, {row: np.roll(ecg, row * 7, axis=1) for row in range(512)})
        batch = rng.permutation(512)[:128]
        array = zarr.open_array(str(data / spec.name), mode="r")
        ours = median_seconds(lambda: arrays.read_rows(data, spec.name, batch), 5)
        theirs = median_seconds(lambda: array.oindex[batch], 3)
    return Row(
        "random batch of 128 ECGs", "eccl.data.read_rows", "zarr-python oindex", ours, theirs, "s", "shard of 512"
    )


def codec(ecg: NDArray[np.int16]) -> Row:
    """Bytes of a shard: blosc zstd against blosc lz4, both with bit shuffle."""
    sizes = {}
    block = np.stack([np.roll(ecg, row * 7, axis=1) for row in range(64)])
    for name in ("zstd", "lz4"):
        with tempfile.TemporaryDirectory() as folder:
            compressor = BloscCodec(cname=name, clevel=3, shuffle="bitshuffle")
            options = {"chunks": (1, 12, 5000), "shards": (64, 12, 5000), "dtype": "int16", "compressors": compressor}
            zarr.create_array(store=folder, shape=block.shape, **options)[:] = block
            sizes[name] = float(sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file()))
    return Row(
        "size of an ECG shard",
        "blosc zstd bitshuffle",
        "blosc lz4 bitshuffle",
        sizes["zstd"],
        sizes["lz4"],
        "bytes",
        "64 ECGs",
    )


def import_time() -> Row:
    """Importing the package against importing its heaviest lazy parts."""

    def run(statement: str) -> float:
        return median_seconds(lambda: subprocess.run([sys.executable, "-c", statement], check=True), 5)

    return Row(
        "import",
        "import eccl",
        "import eccl, duckdb, polars",
        run("import eccl"),
        run("import eccl, duckdb, polars"),
        "s",
        "new process",
    )


def measure() -> list[Row]:
    """Measure on one simulated cohort."""
    with tempfile.TemporaryDirectory() as folder:
        config = SimulationConfig(
            participants=4, seed=3, corruption_share=0, missing_ecg_share=0, withdrawn=0, slices=(2, 2)
        )
        simulate_cohort(Path(folder), config)
        content = max((path.read_bytes() for path in Path(folder).rglob("*_20205_*.xml")), key=len)
    ecg = read_ecg_xml(content).signal_uv
    return [import_time(), parse(content), baseline(ecg), random_reads(ecg), codec(ecg)]
