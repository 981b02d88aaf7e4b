"""How fast batches come from files and from memory, read by this process or ahead by workers.

    python benchmarks/data/loading.py

Prints the median over several rounds, which alternate between the cases, beside the rate of a training step.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import datasets
import numpy as np
import torch
from PIL import Image

import flowzoo
from flowzoo.data.batches import ShuffledBatches
from flowzoo.data.dataset import Dataset
from flowzoo.data.load import load_dataset
from flowzoo.data.memory import in_memory
from flowzoo.data.read_ahead import read_ahead
from flowzoo.experiment.training_options import TrainingOptions
from flowzoo.training.stage import plan_stages
from flowzoo.training.step import TrainingStep
from flowzoo.warm_start import WarmStart

IMAGES, SIZE, BATCH = 1200, 64, 64
BATCHES = 10
"""Batches that are timed in a round, after the first ones, which wait for the workers to start."""

ROUNDS = 5
WORKERS = (0, 1, 2)


def main() -> None:
    """Measure and print."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        sources = dict(made(Path(folder)))
        cases = {
            (name, workers): ShuffledBatches(read_ahead(data, workers)["train"], BATCH, seed=0)
            for name, data in sources.items()
            for workers in (WORKERS if name != "memory" else (0,))
        }
        step = stepping(sources["memory"])
        rates: dict[tuple[str, int], list[float]] = {case: [] for case in cases}
        trained: dict[tuple[str, int], list[float]] = {case: [] for case in cases}
        for _ in range(ROUNDS):
            for case, batches in cases.items():
                with closing(batches):
                    rates[case].append(rate(lambda batches=batches: next(batches), BATCHES))
                    trained[case].append(rate(lambda batches=batches: step(next(batches)), 3))
        print(f"{'images from':12} {'workers':>7} {'images/s':>9} {'in training':>12}")
        for (name, workers), found in rates.items():
            each = statistics.median(found), statistics.median(trained[name, workers])
            print(f"{name:12} {workers:7} {each[0]:9,.0f} {each[1]:12,.0f}")


def made(folder: Path) -> Iterator[tuple[str, Dataset]]:
    """Yield the same images, smooth ones with noise, as PNG files, in parquet files and in memory."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (IMAGES, 8, 8, 3), dtype=np.uint8)
    noise = rng.integers(0, 8, (IMAGES, SIZE, SIZE, 3), dtype=np.uint8)
    paths = []
    for place in range(IMAGES):
        smooth = np.asarray(Image.fromarray(coarse[place]).resize((SIZE, SIZE), Image.Resampling.BICUBIC))
        paths.append(folder / "png" / f"{place:05}.png")
        paths[-1].parent.mkdir(exist_ok=True)
        Image.fromarray(np.clip(smooth.astype(int) + noise[place], 0, 255).astype(np.uint8)).save(paths[-1])
    yield "png", load_dataset("images", root=folder / "png", size=SIZE)
    (folder / "parquet").mkdir()
    for split, part in (("train", paths[IMAGES // 10 :]), ("test", paths[: IMAGES // 10])):
        table = datasets.Dataset.from_dict(
            {"image": [{"bytes": each.read_bytes(), "path": None} for each in part]}
        )
        table.cast_column("image", datasets.Image()).to_parquet(folder / "parquet" / f"{split}-0.parquet")
    datasets.config.HF_DATASETS_CACHE = folder / "cache"
    yield "parquet", load_dataset("images", root=folder / "parquet", size=SIZE)
    arrays = np.stack([np.asarray(Image.open(each)) for each in paths]).transpose(0, 3, 1, 2)
    parts = {"train": arrays, "validation": arrays[:8], "test": arrays[:8]}
    yield "memory", in_memory("memory", parts, bins=256, licence="", source="", pixels={"name": "affine"})


def stepping(data: Dataset) -> Callable[[torch.Tensor], object]:
    """Return a function that takes a training step of a small model."""
    options = TrainingOptions(batch_size=BATCH)
    small = {"*.steps": 1, "*.hidden": 8}
    flow = flowzoo.create_model("wavelet-flow", (3, SIZE, SIZE), seed=0, levels=6, **small)
    flow.initialise([data["train"][:BATCH] / 256])
    generator = torch.Generator().manual_seed(0)
    step = TrainingStep(flow, plan_stages(flow, options)[0], options, generator, WarmStart(flow))
    return lambda images: step.take(images, 1e-4)


def rate(act: Callable[[], object], batches: int) -> float:
    """Return images per second."""
    for _ in range(2):
        act()
    began = time.perf_counter()
    for _ in range(batches):
        act()
    return batches * BATCH / (time.perf_counter() - began)


if __name__ == "__main__":
    main()
