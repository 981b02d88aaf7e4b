"""Memory and time of Wavelet Flow on large images, with and without crops.

    python benchmarks/large_images.py --sizes 256,512,1024

On Linux. Each measurement has a process of its own: the peak of its memory beyond what it held before, in
MiB, and its seconds. Images are noise, and weights are random: neither changes what is measured.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

import flowzoo

WORK = ("training step", "likelihood", "sample")
COARSEST = 16
"""Side of the coarsest image: a model of larger images has more levels."""

BATCH = 2
"""Images of a training step."""


def make(size: int, crop: int | None, folder: str) -> None:
    """Save a model that has made its first pass over the data, in a process whose memory is not measured."""
    levels = 1 + round(math.log2(size / COARSEST))
    options = {"levels": levels, "crop": crop, "at_once": crop, "seed": 0}
    model = flowzoo.create_model("wavelet-flow", (3, size, size), **options)
    model.initialise([noise(size)])
    flowzoo.save_model(model, folder)


def noise(size: int) -> torch.Tensor:
    """Return images of a training step."""
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (BATCH, 3, size, size), generator=generator).to(torch.uint8)


def measure(size: int, folder: str, work: str) -> dict[str, float]:
    """Do some work once, in this process."""
    model = flowzoo.load_model(folder, check=False)
    images = noise(size)
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = memory("VmRSS")
    began = time.perf_counter()
    if work == "training step":
        model.training_loss(images, generator=torch.Generator().manual_seed(0)).backward()
    elif work == "likelihood":
        with torch.no_grad():
            model.bits_per_dim(images[:1])
    else:
        with torch.no_grad():
            model.decode(model.draw_latents(1))
    seconds = time.perf_counter() - began
    return {"mib": memory("VmHWM") - before, "seconds": seconds}


def memory(name: str) -> float:
    """Return a figure of this process's memory in MiB."""
    (line,) = (each for each in Path("/proc/self/status").read_text().splitlines() if each.startswith(name))
    return int(line.split()[1]) / 1024


def main() -> None:
    """Print a table of all sizes, with crops and without."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default="256,512,1024")
    parser.add_argument("--crop", type=int, default=64)
    parser.add_argument("--whole-up-to", type=int, default=512, help="largest image without crops")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        torch.set_num_threads(1)
        size, crop, folder, work = json.loads(given.one)
        print(json.dumps(measure(size, folder, work) if work else make(size, crop, folder)))
        return
    print("| image | crops | " + " | ".join(f"{each}, MiB (s)" for each in WORK) + " |")
    print("|---|---|" + "---|" * len(WORK))
    for size in map(int, given.sizes.split(",")):
        for crop in (given.crop, None):
            if crop is None and size > given.whole_up_to:
                continue
            with tempfile.TemporaryDirectory() as place:
                folder = f"{place}/model"
                alone(size, crop, folder, "")
                found = [alone(size, crop, folder, work) for work in WORK]
            cells = [f"{each['mib']:,.0f} ({each['seconds']:.1f})" for each in found]
            print(f"| {size}x{size} | {crop or 'none'} | " + " | ".join(cells) + " |", flush=True)


def alone(*job: object) -> dict[str, float]:
    """Do a job in a process of its own."""
    command = [sys.executable, __file__, "--one", json.dumps(job)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


if __name__ == "__main__":
    main()
