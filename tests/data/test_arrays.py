from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from eccl.data import arrays
from eccl.errors import ConfigError

SPEC = arrays.ArraySpec("ecg.zarr/raw", (12, 50), "int16", 8, {"unit": "uV"})


def records(*rows: int, seed: int = 0) -> dict[int, NDArray[np.int16]]:
    rng = np.random.default_rng(seed)
    block = rng.integers(-500, 500, (100, 12, 50), dtype=np.int16)
    return {row: block[row] for row in rows}


def test_records_are_read_in_the_requested_order(tmp_path: Path) -> None:
    arrays.prepare_array(tmp_path, SPEC, 2)
    written = records(*range(8, 14))
    arrays.write_shard(tmp_path, SPEC, 1, written)
    found = arrays.read_rows(tmp_path, SPEC.name, [12, 8, 3])
    np.testing.assert_array_equal(found[0], written[12])
    np.testing.assert_array_equal(found[1], written[8])
    assert not found[2].any()


def test_zarr_python_reads_the_same_bytes(tmp_path: Path) -> None:
    import zarr

    arrays.prepare_array(tmp_path, SPEC, 1)
    arrays.write_shard(tmp_path, SPEC, 0, records(0, 5))
    array = zarr.open_array(str(tmp_path / SPEC.name), mode="r")
    np.testing.assert_array_equal(array[5], records(5)[5])
    assert array.attrs["unit"] == "uV"


def test_a_shard_has_the_same_bytes_however_often_it_is_written(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        arrays.prepare_array(tmp_path / folder, SPEC, 1)
        arrays.write_shard(tmp_path / folder, SPEC, 0, records(1, 2, 7))
    assert SPEC.shard_path(tmp_path / "a", 0).read_bytes() == SPEC.shard_path(tmp_path / "b", 0).read_bytes()


def test_growing_touches_metadata_only(tmp_path: Path) -> None:
    arrays.prepare_array(tmp_path, SPEC, 1)
    arrays.write_shard(tmp_path, SPEC, 0, records(0, 1))
    before = SPEC.shard_path(tmp_path, 0).read_bytes()
    arrays.prepare_array(tmp_path, SPEC, 3)
    arrays.write_shard(tmp_path, SPEC, 2, records(17))
    assert SPEC.shard_path(tmp_path, 0).read_bytes() == before
    np.testing.assert_array_equal(arrays.read_rows(tmp_path, SPEC.name, [1, 17])[1], records(17)[17])


def test_arrays_never_shrink(tmp_path: Path) -> None:
    arrays.prepare_array(tmp_path, SPEC, 3)
    arrays.prepare_array(tmp_path, SPEC, 1)
    assert not arrays.read_rows(tmp_path, SPEC.name, [23]).any()


def test_other_parameters_raise_an_error(tmp_path: Path) -> None:
    arrays.prepare_array(tmp_path, SPEC, 1)
    other = arrays.ArraySpec(SPEC.name, SPEC.record_shape, SPEC.dtype, 16, SPEC.attributes)
    with pytest.raises(ConfigError, match="other parameters"):
        arrays.prepare_array(tmp_path, other, 1)


def test_a_record_outside_its_shard_raises_an_error(tmp_path: Path) -> None:
    arrays.prepare_array(tmp_path, SPEC, 2)
    with pytest.raises(ConfigError, match="does not fit shard 0"):
        arrays.write_shard(tmp_path, SPEC, 0, records(9))
    assert not SPEC.shard_path(tmp_path, 0).exists()


def test_a_flipped_byte_is_found_by_its_checksum(tmp_path: Path) -> None:
    arrays.prepare_array(tmp_path, SPEC, 1)
    written = records(0, 1)
    arrays.write_shard(tmp_path, SPEC, 0, written)
    sums = [arrays.checksum(written[0]), arrays.checksum(written[1])]
    assert arrays.verify_rows(tmp_path, SPEC.name, [0, 1], sums) == []
    changed = {**written, 1: written[1] + np.int16(1)}
    arrays.write_shard(tmp_path, SPEC, 0, changed)
    assert arrays.verify_rows(tmp_path, SPEC.name, [0, 1], sums) == [1]
