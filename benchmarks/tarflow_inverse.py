"""How long TarFlow takes to invert a batch: patch by patch with and without a cache, and by Jacobi iteration.

python benchmarks/tarflow_inverse.py                  # random weights
python benchmarks/tarflow_inverse.py --run runs/a     # the blocks of a trained model, from noise
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor

from flowzoo.loading import load_model
from flowzoo.registry.build import build_component
from flowzoo.testing import randomise
from flowzoo_coupling.autoregressive import AutoregressiveBlock


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--run", help="Run folder of a trained tarflow without contexts.")
    parser.add_argument("--images", type=int, default=16)
    parser.add_argument("--repetitions", type=int, default=3)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    blocks = blocks_of(asked.run)
    shape = blocks[0].grid.shape
    z = torch.randn((asked.images, *shape), generator=torch.Generator().manual_seed(0))
    print(f"{len(blocks)} blocks of {blocks[0].grid.patches} patches, {asked.images} images of {shape}")
    expected = None
    for name, invert in ways().items():
        seconds, passes, found = measured(blocks, z, invert, asked.repetitions)
        expected = found if expected is None else expected
        error = float(((found - expected).abs() / (1 + expected.abs())).max())
        print(
            f"{name:32} {seconds:8.3f} s, {passes / len(blocks):5.1f} passes a block, differs by {error:.1g}"
        )


def ways() -> dict[str, Callable[[AutoregressiveBlock, Tensor], Tensor]]:
    """Return the inverses that are compared, by name; the first one is the reference."""

    def jacobi(tolerance: float) -> Callable[[AutoregressiveBlock, Tensor], Tensor]:
        def invert(block: AutoregressiveBlock, z: Tensor) -> Tensor:
            block.way, block.tolerance = "jacobi", tolerance
            return block.inverse(z)

        return invert

    def sequential(block: AutoregressiveBlock, z: Tensor) -> Tensor:
        block.way = "sequential"
        return block.inverse(z)

    return {
        "sequential": sequential,
        "sequential without a cache": without_cache,
        "jacobi": jacobi(0.0),
        "jacobi, tolerance 1e-3": jacobi(1e-3),
        "jacobi, tolerance 1e-2": jacobi(1e-2),
    }


def without_cache(block: AutoregressiveBlock, z: Tensor) -> Tensor:
    """Invert patch by patch, and compute everything before a patch anew for it."""
    target = block._patches(z)
    found = torch.zeros_like(target)
    for place in range(block.grid.patches):
        mean, log_std = block._moments(block.transformer(found[:, : place + 1], None))
        found[:, place] = target[:, place] * log_std[:, -1].exp() + mean[:, -1]
    return block._image(found)


@torch.no_grad()
def measured(
    blocks: list[AutoregressiveBlock],
    z: Tensor,
    invert: Callable[[AutoregressiveBlock, Tensor], Tensor],
    repetitions: int,
) -> tuple[float, int, Tensor]:
    """Return the median processor time of inverting all blocks, their passes, and the result."""
    passes = [0]
    hooks = [
        block.transformer.register_forward_hook(lambda *_: passes.__setitem__(0, passes[0] + 1))
        for block in blocks
    ]
    seconds = []
    for _ in range(repetitions):
        passes[0] = 0
        start, found = time.process_time(), z
        for block in reversed(blocks):
            found = invert(block, found)
        seconds.append(time.process_time() - start)
    for hook in hooks:
        hook.remove()
    return statistics.median(seconds), passes[0], found


def blocks_of(run: str | None) -> list[AutoregressiveBlock]:
    """Return the blocks of a trained model, or of a bijector for 3x32x32 with random weights."""
    if run is not None:
        whole = load_model(run)
    else:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            whole = build_component("bijector", "tarflow", (3, 32, 32), None)
        randomise(whole, 0)
    return [each for each in whole.modules() if isinstance(each, AutoregressiveBlock)]


if __name__ == "__main__":
    main()
