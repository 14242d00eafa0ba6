"""What a compressed image says of its size, before a decoder believes it."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from PIL import Image

from eccl.readers.cine.codestream import image_size


def encode(kind: str, mode: str = "L", **options: object) -> bytes:
    out = io.BytesIO()
    shape = (40, 56) if mode == "L" else (40, 56, 3)
    image = Image.fromarray(np.arange(np.prod(shape), dtype=np.uint32).astype(np.uint8).reshape(shape), mode)
    image.save(out, kind, **options)
    return out.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        encode("JPEG"),
        encode("JPEG", progressive=True),
        encode("JPEG", exif=b"Exif\0\0" + b"\xff\xc0\0\x11\x08\xff\xff\xff\xff\x01" * 9),
        encode("JPEG2000", no_jp2=True),
    ],
    ids=["baseline", "progressive", "decoy", "jpeg2000"],
)
def test_size_of_an_image(content: bytes) -> None:
    assert image_size(content) == (40, 56)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff",
        b"\xff\xd8",
        b"\xff\xd8\xff",
        b"\xff\xd8" + b"\xff" * 5_000,
        b"\xff\xd8" + b"\xff\xd0" * 5_000,
        b"\xff\xd8\xff\xe0\0\0" * 9,
        b"\xff\x4f\xff\x51",
        b"\xff\x4f\xff\x51" + bytes(60),
        encode("JPEG", "RGB"),
        encode("JPEG2000", "RGB", no_jp2=True),
        encode("JPEG2000"),
        encode("PNG"),
        encode("JPEG")[:30],
    ],
)
def test_anything_else_has_no_size(content: bytes) -> None:
    assert image_size(content) is None


def test_size_is_that_of_the_image_and_not_of_its_grid() -> None:
    content = bytearray(encode("JPEG2000", no_jp2=True))
    struct.pack_into(">4I", content, 8, 156, 90, 100, 50)
    assert image_size(bytes(content)) == (40, 56)
