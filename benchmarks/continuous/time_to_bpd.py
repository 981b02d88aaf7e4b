r"""Test bits/dim against training time: the published recipe, flowzoo's likelihood engine, and flow matching.

    python benchmarks/continuous/time_to_bpd.py digits --out runs/time-to-bpd
    python benchmarks/continuous/time_to_bpd.py fashion-mnist --root /usr/share/datasets/fashion-mnist \
        --out runs/time-to-bpd
    python benchmarks/continuous/time_to_bpd.py report --out runs/time-to-bpd --picture curves.png

Every method trains the same model from the same weights on the same batches. Learning rates are tuned for
each on seed 0, in a fraction of the time. Time is that of the processor, one thread, in training steps alone;
figures are of the averaged weights, by the same accurate evaluation for all. A run that is there is not
repeated.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from recipe import Recipe
from setting import CLIP
from timing import print_table
from torch import nn

from flowzoo.bijector import ConditionalBijector
from flowzoo.call import EVALUATION, Call
from flowzoo.data.batches import ShuffledBatches
from flowzoo.data.dataset import Dataset
from flowzoo.data.load import load_dataset
from flowzoo.dequantisation import dequantise
from flowzoo.device import prepare_device
from flowzoo.evaluation.likelihood import evaluate_likelihood
from flowzoo.flow import Flow
from flowzoo.registry.models import create_model
from flowzoo.shapes import Images, PerImage
from flowzoo.solving import Solving
from flowzoo.training.average import WeightAverage
from flowzoo.units import nats_to_bits
from flowzoo.warm_start import WarmStart
from flowzoo_cnf.cnf import CNF

WARM_UP = 30
"""Steps over which the learning rate rises."""

AVERAGE = 0.99
FIRST, GROWTH = 2.0, 1.35
"""Seconds of training before the first figure, and how much later each next one comes."""


@dataclass(frozen=True)
class Method:
    """How to train: the cnf's objective, and for how long."""

    objective: str
    recipe: bool
    seconds: float
    tuning_seconds: float
    rates: Sequence[float]


@dataclass(frozen=True)
class Problem:
    """What to train on which data."""

    data: str
    data_options: Mapping[str, Any]
    model: str
    options: Mapping[str, Any]
    batch: int
    test_images: int
    methods: Mapping[str, Method]


RNODE = {"kinetic": 0.01, "jacobian": 0.01}

PROBLEMS = {
    "digits": Problem(
        "digits",
        {},
        "rnode",
        {"bijector": {"blocks": 2, **RNODE}},
        64,
        297,
        {
            "recipe": Method("likelihood", True, 240.0, 80.0, (1e-3, 3e-3, 1e-2)),
            "likelihood": Method("likelihood", False, 240.0, 60.0, (1e-3, 3e-3, 1e-2)),
            "flow matching": Method("flow-matching", False, 120.0, 30.0, (1e-3, 3e-3, 1e-2)),
        },
    ),
    "fashion-mnist": Problem(
        "fashion-mnist",
        {"size": 16},
        "msflow-wavelet",
        {"levels": 3, "bijector": {"blocks": 1, **RNODE}},
        64,
        1000,
        {
            "recipe": Method("likelihood", True, 300.0, 120.0, (3e-3, 1e-2)),
            "likelihood": Method("likelihood", False, 200.0, 80.0, (3e-3, 1e-2)),
            "flow matching": Method("flow-matching", False, 120.0, 40.0, (3e-3, 1e-2)),
        },
    ),
}


class RecipeBijector(ConditionalBijector):
    """Trains by the recipe, with weights of its own; answers by a cnf, once it was given them.

    Args:
        cnf: A CNF with the same fields.
    """

    def __init__(self, cnf: CNF) -> None:
        super().__init__()
        self.recipe = Recipe(cnf.blocks)
        self.cnf = cnf.requires_grad_(False)

    def forward(
        self, x: Images, context: Images | None = None, call: Call = EVALUATION
    ) -> tuple[Images, PerImage]:
        found: tuple[Images, PerImage] = self.cnf(x, context, call)
        return found

    def inverse(self, z: Images, context: Images | None = None, call: Call = EVALUATION) -> Images:
        return self.cnf.inverse(z, context, call)

    def loss(self, x: Images, context: Images | None = None, call: Call = EVALUATION) -> PerImage:
        assert isinstance(call.generator, torch.Generator), "training has one"
        return self.recipe.loss(x, context, call.generator)

    def settle(self) -> None:
        """Give the cnf the weights."""
        self.recipe.give_weights(self.cnf.blocks)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=[*PROBLEMS, "report"])
    parser.add_argument("--out", type=Path, required=True, help="folder of the curves")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--hurry", type=float, default=1.0, help="divide all times by so much")
    parser.add_argument("--root", help="the data set's folder, where it is not fetched")
    parser.add_argument("--picture", type=Path, help="draw the curves there (report)")
    arguments = parser.parse_args()
    prepare_device("cpu")
    torch.set_num_threads(1)
    arguments.out.mkdir(parents=True, exist_ok=True)
    if arguments.what == "report":
        report(arguments.out, arguments.picture)
        return
    problem = PROBLEMS[arguments.what]
    if arguments.root:
        problem = replace(problem, data_options={**problem.data_options, "root": arguments.root})
    rates = {name: tune(arguments.out, problem, name, arguments.hurry) for name in problem.methods}
    for seed in range(arguments.seeds):
        for name, method in problem.methods.items():
            curve(arguments.out, problem, name, rates[name], seed, method.seconds / arguments.hurry)


def tune(out: Path, problem: Problem, name: str, hurry: float) -> float:
    """Return the learning rate that reached the lowest figure in a short training."""
    method = problem.methods[name]
    seconds = method.tuning_seconds / hurry
    reached = {rate: curve(out, problem, name, rate, 0, seconds)["bits"][-1] for rate in method.rates}
    return min(reached, key=lambda rate: reached[rate])


def curve(out: Path, problem: Problem, name: str, rate: float, seed: int, seconds: float) -> dict[str, Any]:
    """Return the curve of a training, from its file if it is there."""
    file = out / f"{problem.data}, {name}, {rate:g}, {seed}, {seconds:g}.json"
    if not file.exists():
        found = train(problem, name, rate, seed, seconds)
        file.write_text(json.dumps({"what": problem.data, "name": name, "rate": rate, "seed": seed, **found}))
    result: dict[str, Any] = json.loads(file.read_text())
    last = result["bits"][-1]
    print(f"{file.stem}: {last:.3f} bits/dim after {result['steps'][-1]} steps", flush=True)
    return result


def train(problem: Problem, name: str, rate: float, seed: int, seconds: float) -> dict[str, Any]:
    method = problem.methods[name]
    data = load_dataset(problem.data, **problem.data_options)
    bijector = {**problem.options["bijector"], "objective": method.objective}
    options = {**problem.options, "bijector": bijector}
    flow = create_model(
        problem.model,
        image_shape=data.info.shape,
        bins=data.info.bins,
        pixels=data.info.pixels,
        seed=seed,
        **options,
    )
    generator = torch.Generator().manual_seed(seed)
    first = dequantise(data.split("train").take(range(512)), flow.bins, Call(generator=generator))
    flow.initialise([first])
    if method.recipe:
        replace_cnfs(flow)
    average = WeightAverage(flow, AVERAGE)
    trained = [parameter for parameter in flow.parameters() if parameter.requires_grad]
    optimiser = torch.optim.Adam(trained, lr=rate)
    batches = ShuffledBatches(data.split("train"), problem.batch, seed)
    warm_start = WarmStart(flow)
    used, steps = 0.0, 0
    found: dict[str, list[float]] = {"seconds": [], "steps": [], "bits": [], "error": []}
    due = FIRST
    while used < seconds:
        began = time.process_time()
        for group in optimiser.param_groups:
            group["lr"] = rate * min(1.0, (steps + 1) / WARM_UP)
        x = dequantise(next(batches), flow.bins, Call(generator=generator))
        call = Call(mode="train", generator=generator, solver=Solving(warm_start=warm_start))
        loss = nats_to_bits(torch.stack(flow.loss(x, call)).sum(0), flow.dimensions).mean()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(trained, CLIP)
        optimiser.step()
        average.update()
        steps += 1
        used += time.process_time() - began
        if used >= due or used >= seconds:
            bits, error = measure(average.flow, data, problem.test_images)
            for key, value in zip(found, (used, steps, bits, error), strict=True):
                found[key].append(value)
            due = max(due * GROWTH, used)
    return found


def replace_cnfs(flow: Flow) -> None:
    """Have the recipe train all continuous flows of a model."""
    for parent in list(flow.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, CNF) and not isinstance(parent, RecipeBijector):
                setattr(parent, name, RecipeBijector(child))


def measure(flow: Flow, data: Dataset, images: int) -> tuple[float, float]:
    """Return test bits/dim and their standard error over images and probes."""
    for module in flow.modules():
        if isinstance(module, RecipeBijector):
            module.settle()
    found = evaluate_likelihood(
        flow, data.split("test"), exact=False, limit=images, batch_size=100, audit=False
    )
    assert found.standard_error is not None, "of many images"
    return found.bits_per_dim, found.standard_error


def report(out: Path, picture: Path | None) -> None:
    """Print how long each method took to the recipe's final level."""
    runs = [json.loads(file.read_text()) for file in sorted(out.glob("*.json"))]
    for what, problem in PROBLEMS.items():
        chosen = {
            name: longest([r for r in runs if (r["what"], r["name"]) == (what, name)])
            for name in problem.methods
        }
        if not all(chosen.values()):
            continue
        level = statistics.mean(run["bits"][-1] for run in chosen["recipe"])
        rows = [row(name, found, chosen["recipe"], level) for name, found in chosen.items()]
        columns = [
            "",
            "rate",
            "seeds",
            "seconds",
            "steps",
            "bits/dim at the end",
            f"seconds to {level:.3f}",
            "times quicker",
        ]
        print_table(f"{what}: test bits/dim against seconds of training, one thread", columns, rows)
        if picture is not None:
            draw(what, chosen, level, picture.with_name(f"{picture.stem}-{what}{picture.suffix}"))


def longest(runs: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the runs of full length, leaving out those that tuned the learning rate."""
    most = max((run["seconds"][-1] for run in runs), default=0.0)
    return [run for run in runs if run["seconds"][-1] > 0.9 * most]


def row(
    name: str, runs: Sequence[dict[str, Any]], recipe: Sequence[dict[str, Any]], level: float
) -> list[object]:
    times = [seconds_to(run, level) for run in runs]
    # The recipe's time to its own mean final level is its whole budget, for the mean of its seeds.
    whole = statistics.mean(run["seconds"][-1] for run in recipe)
    reached = [found for found in times if math.isfinite(found)]
    quicker = [] if runs is recipe else [whole / found for found in reached]
    ends = [run["bits"][-1] for run in runs]
    return [
        name,
        f"{runs[0]['rate']:g}",
        len(runs),
        f"{statistics.mean(run['seconds'][-1] for run in runs):.0f}",
        f"{statistics.mean(run['steps'][-1] for run in runs):.0f}",
        f"{statistics.mean(ends):.3f} ({min(ends):.3f} to {max(ends):.3f})",
        f"{whole:.0f}" if runs is recipe else ", ".join(f"{found:.1f}" for found in times),
        f"{statistics.median(quicker):.1f} ({min(quicker):.1f} to {max(quicker):.1f})" if quicker else "-",
    ]


def seconds_to(run: Mapping[str, Any], level: float) -> float:
    """Return when a curve first came down to a level, interpolated in the logarithm of time."""
    before: tuple[float, float] | None = None
    for seconds, bits in zip(run["seconds"], run["bits"], strict=True):
        if bits <= level:
            if before is None:
                return float(seconds)
            share = (before[1] - level) / (before[1] - bits)
            return math.exp(math.log(before[0]) + share * (math.log(seconds) - math.log(before[0])))
        before = seconds, bits
    return math.inf


def draw(what: str, chosen: Mapping[str, Sequence[dict[str, Any]]], level: float, path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4.2), layout="constrained")
    for colour, (name, runs) in zip(("#b5482f", "#2f6db5", "#2f9e62"), chosen.items(), strict=True):
        for place, run in enumerate(runs):
            label = f"{name}, learning rate {run['rate']:g}" if place == 0 else None
            axes.plot(run["seconds"], run["bits"], color=colour, alpha=0.8, marker=".", label=label)
    axes.axhline(level, color="#777777", linewidth=0.8, linestyle="--")
    axes.set(xscale="log", xlabel="seconds of training, one thread", ylabel="test bits/dim", title=what)
    axes.legend()
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main()
