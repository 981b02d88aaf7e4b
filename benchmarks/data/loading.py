"""How fast batches come from files and from memory, read by this process or ahead by workers.

    python benchmarks/data/loading.py --out benchmarks/results/data/loading.json

Images are 64x64 patches of photographs (``photos``). Prints images per second, the median over several rounds
that alternate between the cases, of reading alone and of training with what was read, beside a training step
whose images are there already.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import datasets
import torch
from PIL import Image

import flowzoo
from flowzoo.data.batches import ShuffledBatches
from flowzoo.data.dataset import Dataset
from flowzoo.data.load import load_dataset
from flowzoo.data.memory import in_memory
from flowzoo.data.read_ahead import read_ahead
from flowzoo.experiment.training_options import TrainingOptions
from flowzoo.files import write_json
from flowzoo.training.stage import plan_stages
from flowzoo.training.step import TrainingStep
from flowzoo.warm_start import WarmStart

IMAGES, SIZE, BATCH = 1200, 64, 64
BATCHES = 10
"""Batches that are timed in a round, after the first ones, which wait for the workers to start."""

STEPS = 6
"""Training steps that are timed in a round."""

ROUNDS = 5
WORKERS = (0, 1, 2)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path, help="JSON file for the figures")
    out = parser.parse_args().out
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        sources = dict(made(Path(folder)))
        cases = {
            (name, workers): ShuffledBatches(read_ahead(data, workers)["train"], BATCH, seed=0)
            for name, data in sources.items()
            for workers in (WORKERS if name != "memory" else (0,))
        }
        step = stepping(sources["memory"])
        there = sources["memory"]["train"][:BATCH]
        rates: dict[tuple[str, int], list[float]] = {case: [] for case in cases}
        trained: dict[tuple[str, int], list[float]] = {case: [] for case in cases}
        alone: list[float] = []
        for _ in range(ROUNDS):
            alone.append(rate(lambda: step(there), STEPS))
            for case, batches in cases.items():
                with closing(batches):
                    rates[case].append(rate(lambda batches=batches: next(batches), BATCHES))
                    trained[case].append(rate(lambda batches=batches: step(next(batches)), STEPS))
    rows = [
        {
            "images from": name,
            "workers": workers,
            "images/s": statistics.median(rates[name, workers]),
            "images/s in training": statistics.median(trained[name, workers]),
        }
        for name, workers in cases
    ]
    print(f"{'images from':12} {'workers':>7} {'images/s':>9} {'in training':>12}")
    for row in rows:
        read, both = row["images/s"], row["images/s in training"]
        print(f"{row['images from']:12} {row['workers']:7} {read:9,.0f} {both:12,.0f}")
    print(f"{'step alone':30} {statistics.median(alone):12,.0f}")
    if out is not None:
        found = {
            "shape": [3, SIZE, SIZE],
            "batch": BATCH,
            "rounds": ROUNDS,
            "machine": f"{platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}",
            "rows": rows,
            "step alone, images/s": statistics.median(alone),
        }
        write_json(out, found)


def made(folder: Path) -> Iterator[tuple[str, Dataset]]:
    """Yield the same images as PNG files, in parquet files and in memory."""
    pixels = load_dataset("photos", size=SIZE)["train"][:IMAGES].numpy()
    paths = []
    for place, each in enumerate(pixels):
        paths.append(folder / "png" / f"{place:05}.png")
        paths[-1].parent.mkdir(exist_ok=True)
        Image.fromarray(each.transpose(1, 2, 0)).save(paths[-1])
    yield "png", load_dataset("images", root=folder / "png", size=SIZE)
    (folder / "parquet").mkdir()
    for split, part in (("train", paths[IMAGES // 10 :]), ("test", paths[: IMAGES // 10])):
        table = datasets.Dataset.from_dict(
            {"image": [{"bytes": each.read_bytes(), "path": None} for each in part]}
        )
        table.cast_column("image", datasets.Image()).to_parquet(folder / "parquet" / f"{split}-0.parquet")
    datasets.config.HF_DATASETS_CACHE = folder / "cache"
    yield "parquet", load_dataset("images", root=folder / "parquet", size=SIZE)
    parts = {"train": pixels, "validation": pixels[:8], "test": pixels[:8]}
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
