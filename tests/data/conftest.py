"""Files such as Fashion-MNIST comes in, made on the spot."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

Array = NDArray[np.uint8]


@pytest.fixture(autouse=True)
def unshuffled(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave images in the order of their files, so that tests can tell which is which."""
    if "shuffled" not in request.keywords:
        # In this order: a module that is imported once the other is patched would keep what is patched in.
        for module in ("decoded", "on_disk"):
            monkeypatch.setattr(f"flowzoo.data.{module}.shuffled", list)


def _idx_bytes(array: Array) -> bytes:
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


@pytest.fixture
def write_idx() -> Callable[[Path, Array], Path]:
    """Write an array as an IDX file, compressed if the name ends in ``.gz``."""

    def write(path: Path, array: Array) -> Path:
        content = _idx_bytes(array)
        path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
        return path

    return write


@pytest.fixture(scope="session")
def clothes() -> dict[str, Array]:
    """Random 28x28 images: 25 to train on, 6 to test."""
    rng = np.random.default_rng(0)
    return {split: rng.integers(0, 256, (n, 28, 28), dtype=np.uint8) for split, n in _SIZES.items()}


@pytest.fixture
def write_parquet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Write images as the hub serves them, and keep the library's cache below the test's folder."""
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    datasets.disable_progress_bars()
    features = datasets.Features(
        {"image": datasets.Image(), "label": datasets.ClassLabel(names=["shirt", "shoe"])}
    )

    def write(path: Path, images: Any, column: str = "image", labels: Any = None) -> Path:
        from PIL import Image

        path.parent.mkdir(parents=True, exist_ok=True)
        rows = {"image": [Image.fromarray(each) for each in images], "label": labels or [0] * len(images)}
        table = datasets.Dataset.from_dict(rows, features=features)
        if column != "image":
            table = table.rename_column("image", column)
        table.to_parquet(path)
        return path

    return write


_SIZES = {"train": 25, "test": 6}
