"""Memory and time of Wavelet Flow on large images, with and without crops.

    python benchmarks/large_images.py --sizes 256,512,1024

On Linux. Each measurement has a process of its own: the peak of its memory beyond what it held before, in MiB,
and its seconds. Images are noise, and weights are random: neither changes what is measured.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import time
from pathlib import Path

WORK = ("training step", "likelihood", "sample")
COARSEST = 16
"""Side of the coarsest image: a model of larger images has more levels."""

BATCH = 2
"""Images of a training step."""


def measure(size: int, crop: int | None, work: str) -> dict[str, float]:
    """Do some work once, in this process."""
    import torch

    import flowzoo

    torch.set_num_threads(1)
    levels = 1 + round(math.log2(size / COARSEST))
    model = flowzoo.create_model(
        "wavelet-flow", (3, size, size), levels=levels, crop=crop, at_once=crop, seed=0
    )
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (BATCH, 3, size, size), generator=generator).to(torch.uint8)
    model.initialise([images])
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = memory("VmRSS")
    began = time.perf_counter()
    if work == "training step":
        model.training_loss(images, generator=generator).backward()
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
        size, crop, work = json.loads(given.one)
        print(json.dumps(measure(size, crop, work)))
        return
    print("| image | crops | " + " | ".join(f"{each}, MiB (s)" for each in WORK) + " |")
    print("|---|---|" + "---|" * len(WORK))
    for size in map(int, given.sizes.split(",")):
        for crop in (given.crop, None):
            if crop is None and size > given.whole_up_to:
                continue
            cells = []
            for work in WORK:
                command = [sys.executable, __file__, "--one", json.dumps([size, crop, work])]
                done = subprocess.run(command, check=True, capture_output=True, text=True)
                found = json.loads(done.stdout.splitlines()[-1])
                cells.append(f"{found['mib']:,.0f} ({found['seconds']:.1f})")
            print(f"| {size}x{size} | {crop or 'none'} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
