"""Libraries side by side: the same work in turn, in one process, on the same images."""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from side import OURS, Side
from torch import Tensor, nn
from torch._dynamo.utils import counters

from flowzoo.device import prepare_device

CLIP = 100.0
WARM_UP = 2
COMPILED = ", compiled"
"""What is added to the name of a library whose training step is compiled."""

SECONDS = 0.2
"""At least this long is every single measurement, by repeating the work."""


@dataclass
class Times:
    """Seconds of every round by library: by the clock, and of the processor."""

    wall: dict[str, list[float]] = field(default_factory=dict)
    processor: dict[str, list[float]] = field(default_factory=dict)


def command_line(description: str, arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the arguments that all scripts have, and set threads and denormal numbers."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, help="31; with --quick 1")
    parser.add_argument("--batch", type=int, help="32; with --quick 8")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path, help="file for the figures")
    parser.add_argument(
        "--compiled", action="store_true", help="also training steps by torch.compile, which takes minutes"
    )
    parser.add_argument("--quick", action="store_true", help="tiny networks, to see that the script works")
    asked = parser.parse_args(arguments)
    asked.rounds = asked.rounds or (1 if asked.quick else 31)
    asked.batch = asked.batch or (8 if asked.quick else 32)
    torch.set_num_threads(asked.threads)
    prepare_device("cpu")
    torch.manual_seed(0)
    return asked


def compare(
    title: str, sides: Sequence[Side], x: Tensor, asked: argparse.Namespace, facts: Mapping[str, Any]
) -> dict[str, Any]:
    """Time training steps, log-likelihoods and samples in turn; print and return the figures.

    Args:
        title: What is compared.
        sides: The first is flowzoo's; ratios are those of the others' seconds to its seconds.
        x: Images to train on, ``(B, C, H, W)`` in ``[0, 1)``.
        asked: From :func:`command_line`.
        facts: What else must stand beside the figures.
    """
    steps = {side.library: _training_step(side, x) for side in sides}
    nats = {side.library: float(-side.log_prob(x).detach().mean()) for side in sides}
    if not all(math.isfinite(value) for value in nats.values()):
        raise SystemExit(f"{title}: a loss is not finite: {nats}")
    size = "x".join(map(str, x.shape[1:]))
    print(f"{title}: {len(x)} images of {size}, {torch.get_num_threads()} thread(s)")
    counts = {side.library: sum(each.numel() for each in side.parameters) for side in sides}
    for side in sides:
        name = side.library
        print(
            f"  {name:10} {version(name):8} {counts[name]:>9,} parameters, {nats[name]:.1f} nats at the start"
        )
        print("    " + ", ".join(f"{count} of {shape}" for shape, count in side.shapes.items()))
    works: dict[str, dict[str, Callable[[], object]]] = {
        "training step": steps,
        "log-likelihood": {side.library: _without_graph(side.log_prob, x) for side in sides},
        "sampling": {side.library: _without_graph(side.sample, len(x)) for side in sides},
    }
    compiling = {}
    if asked.compiled:
        for side in sides:
            name = side.library + COMPILED
            works["training step"][name], compiling[name] = _compiled_step(side, x)
            print(f"  {name}: {compiling[name]}")
    figures = {}
    print("  seconds: the median; then the ratio to flowzoo's, round by round: median (least to greatest)")
    print(f"  {'':36} {'images/s':>9} {'seconds':>9} {'by the clock':>22} {'by processor time':>22}")
    for name, work in works.items():
        found = _in_turn(work, asked.rounds)
        figures[name] = {each: _figures(each, found, len(x)) for each in work}
        for library, each in figures[name].items():
            print(
                f"  {name:15} {library:20} {each['images_per_second']:9.1f} {each['median_seconds']:9.4f}"
                f" {_range(each['ratio']):>22} {_range(each['processor_ratio']):>22}"
            )
    return {
        "title": title,
        **_surroundings(sides, x, asked),
        **facts,
        "parameters": counts,
        "shapes_of_parameters": {side.library: side.shapes for side in sides},
        "nats_at_the_start": nats,
        **({"compiling": compiling} if compiling else {}),
        "work": figures,
    }


def write(path: Path | None, figures: Mapping[str, Any]) -> None:
    """Write figures as JSON, if asked to."""
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


def _training_step(side: Side, x: Tensor) -> Callable[[], object]:
    parameters = side.parameters
    # So low a rate that no side's weights leave what they were, whatever the number of steps.
    optimiser = torch.optim.Adam(parameters, lr=1e-6, fused=True)

    def step() -> float:
        loss = side.training_loss(x)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, CLIP)
        optimiser.step()
        return float(loss.detach())

    return step


def _compiled_step(side: Side, x: Tensor) -> tuple[Callable[[], object], dict[str, float]]:
    """Return a step whose loss and gradient are compiled; seconds that took, and breaks between graphs."""
    counters.clear()
    loss = torch.compile(side.training_loss, dynamic=False)
    step = _training_step(replace(side, loss=loss), x)
    began = time.perf_counter()
    step()
    breaks = sum(counters["graph_break"].values())
    return step, {"seconds": _rounded(time.perf_counter() - began), "graph_breaks": breaks}


def _without_graph(work: Callable[[Any], object], of: Any) -> Callable[[], object]:
    def done() -> object:
        with torch.no_grad():
            return work(of)

    return done


def _in_turn(works: Mapping[str, Callable[[], object]], rounds: int) -> Times:
    """Time every side once a round, in turn from first to last and from last to first."""
    repeats = {}
    for library, work in works.items():
        for _ in range(WARM_UP):
            began = time.perf_counter()
            work()
        repeats[library] = max(1, math.ceil(SECONDS / (time.perf_counter() - began)))
    times = Times({library: [] for library in works}, {library: [] for library in works})
    for place in range(rounds):
        for library in list(works) if place % 2 == 0 else list(reversed(works)):
            wall, processor = time.perf_counter(), time.process_time()
            for _ in range(repeats[library]):
                works[library]()
            times.processor[library].append((time.process_time() - processor) / repeats[library])
            times.wall[library].append((time.perf_counter() - wall) / repeats[library])
    return times


def _figures(library: str, times: Times, images: int) -> dict[str, Any]:
    wall = times.wall[library]
    return {
        "median_seconds": _rounded(statistics.median(wall)),
        "images_per_second": _rounded(images / statistics.median(wall)),
        "ratio": _ratios(wall, times.wall[OURS]),
        "processor_ratio": _ratios(times.processor[library], times.processor[OURS]),
        "seconds": [_rounded(each) for each in wall],
        "processor_seconds": [_rounded(each) for each in times.processor[library]],
    }


def _range(ratios: Mapping[str, float]) -> str:
    return f"{ratios['median']:.2f} ({ratios['least']:.2f} to {ratios['greatest']:.2f})"


def _ratios(theirs: Sequence[float], ours: Sequence[float]) -> dict[str, float]:
    """Return median, least and greatest ratio of the rounds."""
    found = [a / b for a, b in zip(theirs, ours, strict=True)]
    return {
        "median": _rounded(statistics.median(found)),
        "least": _rounded(min(found)),
        "greatest": _rounded(max(found)),
    }


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")


def _surroundings(sides: Sequence[Side], x: Tensor, asked: argparse.Namespace) -> dict[str, Any]:
    return {
        "versions": {name: version(name) for name in [*(side.library for side in sides), "torch"]},
        "python": platform.python_version(),
        "machine": platform.machine(),
        "processors": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "rounds": asked.rounds,
        "images": list(x.shape),
    }
