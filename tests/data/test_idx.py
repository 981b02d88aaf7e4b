import gzip
import struct

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flowzoo.data.idx import read_idx
from flowzoo.errors import DataError

IMAGES = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)


@pytest.mark.parametrize("name", ["images-idx3-ubyte", "images.idx3-ubyte", "images-idx3-ubyte.gz"])
def test_reads_what_was_written(tmp_path, write_idx, name):
    assert np.array_equal(read_idx(write_idx(tmp_path / name, IMAGES), 3), IMAGES)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(shape=st.lists(st.integers(0, 5), min_size=1, max_size=4))
def test_any_shape(tmp_path, write_idx, shape):
    array = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    found = read_idx(write_idx(tmp_path / "array", array), len(shape))
    assert found.shape == array.shape
    assert np.array_equal(found, array)


GOOD = struct.pack(">BBBB3I", 0, 0, 8, 3, *IMAGES.shape) + IMAGES.tobytes()


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "0 bytes are too few for an IDX file"),
        (GOOD[:7], "7 bytes are too few for an IDX file"),
        (GOOD[:-1], "it holds 23 of the 24 values that its header states"),
        (GOOD + b"\0", "it holds 25 of the 24 values"),
        (b"<html><body>not found", "it starts with 3c 68 74 6d"),
        (GOOD[:2] + b"\x0d" + GOOD[3:], "it starts with 00 00 0d 03"),
        (GOOD[:3] + b"\x01" + GOOD[4:], r"it has 1 dimension\(s\), expected 3"),
        (struct.pack(">BBBB3I", 0, 0, 8, 3, *[2**32 - 1] * 3) + b"\0", "it holds 1 of the 7922816"),
    ],
)
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_a_damaged_file_is_refused_in_one_line_that_names_it(tmp_path, content, problem, suffix):
    path = tmp_path / f"images-idx3-ubyte{suffix}"
    path.write_bytes(gzip.compress(content) if suffix else content)
    with pytest.raises(DataError, match=problem) as caught:
        read_idx(path, 3)
    message = str(caught.value)
    assert str(path) in message
    assert "Download" in message
    assert "\n" not in message


@pytest.mark.parametrize(
    "content",
    [GOOD, gzip.compress(GOOD)[:-9], gzip.compress(GOOD)[:20], gzip.compress(GOOD)[:12] + b"\xff" * 30],
    ids=["not gzip", "cut in the trailer", "cut in the data", "overwritten"],
)
def test_damaged_compression_is_refused(tmp_path, content):
    path = tmp_path / "images-idx3-ubyte.gz"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"images-idx3-ubyte\.gz"):
        read_idx(path, 3)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"cannot read .*nowhere"):
        read_idx(tmp_path / "nowhere", 3)
