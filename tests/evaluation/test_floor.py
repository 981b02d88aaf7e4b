"""The floor: sound where there are enough images, said to be weak where not, never at the model's cost."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from flowzoo.data.dataset import Dataset
from flowzoo.data.memory import in_memory
from flowzoo.errors import NumericalError
from flowzoo.evaluation import floor
from flowzoo.evaluation.floor import Floor, fit_gaussian, measure_floor
from flowzoo.flow import Flow

AFFINE = {"name": "affine"}
LOGIT = {"name": "logit", "alpha": 1e-3}
Images = NDArray[np.int64]


def dataset(train: Images, test: Images | None = None) -> Dataset:
    test = train if test is None else test
    return in_memory(
        "made-up",
        {"train": train, "validation": test, "test": test},
        bins=256,
        licence="none",
        source="a generator",
        pixels=AFFINE,
    )


def pictures(count: int, side: int = 4, seed: int = 0) -> Images:
    """Return grey pictures with a gradient each, so that pixels are correlated, and a dark border."""
    rng = np.random.default_rng(seed)
    ramp = np.linspace(-1, 1, side)
    slopes = rng.normal(size=(2, count, 1, 1, 1))
    light = (
        120 + 30 * (slopes[0] * ramp + slopes[1] * ramp[:, None]) + rng.normal(0, 4, (count, 1, side, side))
    )
    light[..., 0] = 0
    return light.clip(0, 255).round().astype(np.int64)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FLOWZOO_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def fits(monkeypatch: pytest.MonkeyPatch) -> list[Dataset]:
    """Return what has been fitted."""
    found: list[Dataset] = []

    def counted(data: Dataset, *arguments: Any, **options: Any) -> Flow:
        found.append(data)
        return fit_gaussian(data, *arguments, **options)

    monkeypatch.setattr(floor, "fit_gaussian", counted)
    return found


def test_with_enough_images_there_is_nothing_to_say() -> None:
    found = measure_floor(dataset(pictures(400), pictures(100, seed=1)), LOGIT)
    assert found.remark == ""
    assert found.bits_per_dim is not None
    assert 3 < found.bits_per_dim < 8


@pytest.mark.parametrize("pixels", [AFFINE, LOGIT], ids=["affine", "logit"])
@pytest.mark.parametrize(
    ("train", "said"),
    [
        (pictures(1), "only 1 image of 16 dimensions"),
        (pictures(2), "only 2 images of 16 dimensions"),
        (np.repeat(pictures(1), 2, axis=0), "only 2 images of 16 dimensions"),
        (pictures(15), "only 15 images of 16 dimensions"),
        (pictures(31), "only 31 images of 16 dimensions"),
        (np.zeros((1, 1, 4, 4), np.int64), "only 1 image"),
        (np.full((20, 1, 4, 4), 255), "only 20 images"),
    ],
    ids=["one", "two", "two equal", "fewer than dimensions", "few", "one black", "all white"],
)
def test_with_few_images_it_is_finite_and_said_to_be_weak(
    train: Images, said: str, pixels: Mapping[str, Any]
) -> None:
    found = measure_floor(dataset(train, pictures(50, seed=1)), pixels)
    assert found.bits_per_dim is not None
    assert math.isfinite(found.bits_per_dim)
    assert "a weak floor" in found.remark
    assert said in found.remark
    assert ("worse than uniform noise, which has 8.000" in found.remark) == (found.bits_per_dim >= 8)
    if train.std() > 0 and train.max() < 255:
        assert found.bits_per_dim < 20


def test_all_black_images_are_noise_and_nothing_else() -> None:
    black = np.zeros((50, 1, 4, 4), np.int64)
    found = measure_floor(dataset(black), AFFINE)
    # A normal density of a uniform's variance: log2(sqrt(2 pi / 12)) + 1 / (2 log 2) bits above it.
    expected = math.log2(math.sqrt(2 * math.pi / 12)) + 1 / (2 * math.log(2))
    assert found.bits_per_dim == pytest.approx(expected, abs=0.05)


def test_large_images_are_refused_with_the_limit(fits: list[Dataset]) -> None:
    found = measure_floor(dataset(np.zeros((2, 3, 64, 64), np.int64)), AFFINE)
    assert (found.bits_per_dim, fits) == (None, [])
    assert "12,288 dimensions" in found.remark
    assert "limit of 3,072" in found.remark
    assert "1.2 GB" in found.remark


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MemoryError(), "not enough memory"),
        (RuntimeError("DefaultCPUAllocator: can't\nallocate memory: you tried ..."), "not enough memory"),
        (NumericalError("log p(x) is not finite"), "log p(x) is not finite"),
        (OSError(28, "No space left on device"), "No space left"),
        (KeyError(), "KeyError"),
    ],
)
def test_whatever_fails_is_told_in_one_line(
    monkeypatch: pytest.MonkeyPatch, error: Exception, said: str
) -> None:
    def failing(*arguments: Any, **options: Any) -> Flow:
        raise error

    monkeypatch.setattr(floor, "fit_gaussian", failing)
    found = measure_floor(dataset(pictures(40)), AFFINE)
    assert found.bits_per_dim is None
    assert said in found.remark
    assert "\n" not in found.remark


def test_a_data_set_without_training_images_has_no_floor() -> None:
    whole = dataset(pictures(40))
    found = measure_floor(replace(whole, splits={"test": whole.splits["test"]}), AFFINE)
    assert found.bits_per_dim is None
    assert "no split 'train'" in found.remark


def test_progress_is_told_up_to_all_images() -> None:
    told: list[tuple[int, int]] = []
    measure_floor(dataset(pictures(40)), AFFINE, progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (40, 40)


def test_it_is_fitted_once_for_all_runs_on_the_same_data(fits: list[Dataset]) -> None:
    data = dataset(pictures(60), pictures(30, seed=1))
    first = measure_floor(data, LOGIT)
    assert measure_floor(data, LOGIT) == first
    measure_floor(data, LOGIT, "validation", images=5, importance_samples=2, seed=3)
    assert len(fits) == 1
    for other, pixels in ((data, AFFINE), (data, {**LOGIT, "alpha": 0.1}), (dataset(pictures(61)), LOGIT)):
        measure_floor(other, pixels)
    assert len(fits) == 4
    assert measure_floor(data, LOGIT, cached=False) == first
    assert len(fits) == 5


def test_other_images_to_measure_on_need_no_other_fit(fits: list[Dataset]) -> None:
    first = measure_floor(dataset(pictures(60), pictures(30, seed=1)), LOGIT)
    assert measure_floor(dataset(pictures(60), pictures(31, seed=2)), LOGIT) != first
    assert len(fits) == 1


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-9])


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def _all(act: Callable[[Path], None], suffix: str) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        (path,) = folder.glob(f"*{suffix}")
        act(path)

    return damage


@pytest.mark.parametrize(
    "damage",
    [
        _all(_cut, ".safetensors"),
        _all(_flip, ".safetensors"),
        _all(_cut, ".json"),
        _all(lambda path: path.write_text("{}"), ".json"),
        _all(Path.unlink, ".json"),
        _all(Path.unlink, ".safetensors"),
        lambda folder: (folder / "more").write_text("something else"),
    ],
    ids=["cut", "flipped", "cut config", "empty config", "no config", "no weights", "another file"],
)
def test_a_damaged_cache_is_mended(damage: Callable[[Path], None], cache: Path, fits: list[Dataset]) -> None:
    data = dataset(pictures(40))
    first = measure_floor(data, AFFINE)
    (kept,) = (cache / "floors").iterdir()
    damage(kept)
    assert measure_floor(data, AFFINE) == first
    before = len(fits)
    assert measure_floor(data, AFFINE) == first
    assert len(fits) == before


def test_a_cache_that_cannot_be_written_costs_nothing_but_time(cache: Path, fits: list[Dataset]) -> None:
    expected = measure_floor(dataset(pictures(40)), AFFINE, cached=False)
    cache.write_text("a file where the folder should be")
    for _ in range(2):
        found = measure_floor(dataset(pictures(40)), AFFINE)
        assert found == replace(expected, remark=found.remark)
        assert found.remark.startswith("it was not kept for other runs: ")
    assert len(fits) == 3


def test_two_at_once_both_get_it(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    both = threading.Barrier(2, timeout=60)

    def together(*arguments: Any, **options: Any) -> Flow:
        made = fit_gaussian(*arguments, **options)
        both.wait()
        return made

    data = dataset(pictures(40))
    expected = measure_floor(data, AFFINE, cached=False)
    monkeypatch.setattr(floor, "fit_gaussian", together)
    found: list[Floor] = []
    threads = [threading.Thread(target=lambda: found.append(measure_floor(data, AFFINE))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # The one that comes second may find that the other one's is in its way.
    assert [each.bits_per_dim for each in found] == [expected.bits_per_dim] * 2
    assert len(list((cache / "floors").iterdir())) == 1
    assert measure_floor(data, AFFINE) == expected


def test_the_fit_is_that_of_the_whole_split() -> None:
    data = dataset(pictures(500))
    flow = fit_gaussian(data, AFFINE)
    mean = data.split("train").take(range(500)).double().mean(0) / 256 + 0.5 / 256
    sample = flow.sample(4000, seed=0).double().mean(0)
    torch.testing.assert_close(sample, mean, atol=0.02, rtol=0)
