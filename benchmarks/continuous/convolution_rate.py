"""The share of the machine's peak convolution rate that a training step reaches, and where the rest goes.

    python benchmarks/continuous/convolution_rate.py --threads 1 --out rate.json

The peak is the best of several ways to run one 64-to-64 3x3 convolution on 16x16 images: 32 or 64 of them,
NCHW or channels last, forward alone or with backward. The step's convolutions are counted by torch, a
multiply-add as two operations.
"""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable, Sequence

import torch
from details import Details
from setting import Setting, adam, build_cnf, command_line, facts, loss_of, prepare, step, trained_weights
from timing import print_table, write
from torch import Tensor
from torch.nn import functional as F
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from flowzoo.warm_start import WarmStart

CHANNELS = 64
TOP = 14
LAYOUTS = {"NCHW": torch.contiguous_format, "channels last": torch.channels_last}
IMAGES = (32, 64)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    asked = command_line(__doc__ or "", arguments, repetitions=15, warm_up=3, convolutions=40)
    setting = prepare(asked)
    rates = convolution_rates(setting.device, asked.convolutions)
    peak = max(rates.values())
    print_table(
        f"one convolution, best of {asked.convolutions}",
        ("", "GFLOP/s"),
        [(*each,) for each in rates.items()],
    )
    take = training_step(setting)
    for _ in range(asked.warm_up):
        take()
    operations = convolution_operations(take)
    seconds = [_seconds(take, setting.device) for _ in range(asked.repetitions)]
    median = statistics.median(seconds)
    rate = operations / median / 1e9
    print_table(
        f"a training step of flowzoo, {torch.get_num_threads()} threads",
        ("", "GFLOP", "median s", "GFLOP/s", "share of peak"),
        [("convolutions in the step", operations / 1e9, median, rate, rate / peak)],
    )
    operators = slowest_operators(take, setting.device)
    total = sum(operators.values())
    ranked = sorted(operators.items(), key=lambda item: -item[1])
    shown = [(name, spent * 1e3, spent / total) for name, spent in ranked[:TOP]]
    convolving = sum(spent for name, spent in ranked if "conv" in name)
    rest = sum(spent for _, spent in ranked[TOP:])
    print_table(
        f"where the time goes, by operator; convolutions {convolving / total:.0%}",
        ("", "ms", "share"),
        [*shown, ("the rest", rest * 1e3, rest / total)],
    )
    write(
        asked.out,
        {
            **facts(setting),
            "convolutions, GFLOP/s": rates,
            "step": {"operations": operations, "seconds": seconds, "share of peak": rate / peak},
            "operators, seconds": dict(ranked),
        },
    )


def convolution_rates(device: torch.device, repetitions: int) -> dict[str, float]:
    """Return GFLOP/s of single convolutions, each way's best."""
    found: dict[str, float] = {}
    for images, (layout, memory_format) in itertools.product(IMAGES, LAYOUTS.items()):
        x = torch.randn(images, CHANNELS, 16, 16, device=device).to(memory_format=memory_format)
        weight = torch.randn(CHANNELS, CHANNELS, 3, 3, device=device).to(memory_format=memory_format)
        x.requires_grad_()
        weight.requires_grad_()
        grad = torch.randn_like(x)
        operations = 2 * images * 16 * 16 * CHANNELS * CHANNELS * 9

        @torch.no_grad()
        def forward(x: Tensor = x, weight: Tensor = weight) -> None:
            F.conv2d(x, weight, padding=1)

        def both(x: Tensor = x, weight: Tensor = weight, grad: Tensor = grad) -> None:
            torch.autograd.grad(F.conv2d(x, weight, padding=1), (x, weight), grad)

        for way, call, passes in (("forward", forward, 1), ("forward and backward", both, 3)):
            call()
            best = min(_seconds(call, device) for _ in range(repetitions))
            found[f"{images} images, {layout}, {way}"] = passes * operations / best / 1e9
    return found


def training_step(setting: Setting) -> Callable[[], object]:
    """Return a training step of flowzoo's side, as the likelihood engine takes it."""
    cnf = build_cnf(setting)
    cnf.load_state_dict(trained_weights(setting))
    optimiser, warm_start = adam(cnf), WarmStart(cnf)
    x, context = Details(held_out=False, seed=2, device=setting.device).batch(setting.batch)
    generator = torch.Generator().manual_seed(0)
    return lambda: step(cnf, optimiser, lambda: loss_of(cnf, x, context, generator, warm_start)[0])


def convolution_operations(call: Callable[[], object]) -> int:
    """Return the floating-point operations of a call's convolutions, backward included."""
    with FlopCounterMode(display=False) as counter:
        call()
    counts = counter.get_flop_counts()["Global"]
    return sum(count for operator, count in counts.items() if "conv" in str(operator))


def slowest_operators(call: Callable[[], object], device: torch.device) -> dict[str, float]:
    """Return each operator's own seconds in one call."""
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if device.type == "cuda" else [])]
    with profile(activities=activities) as profiler:
        call()
    on_device = device.type == "cuda"
    return {
        event.key: (event.self_device_time_total if on_device else event.self_cpu_time_total) / 1e6
        for event in profiler.key_averages()
    }


def _seconds(call: Callable[[], object], device: torch.device) -> float:
    _wait(device)
    began = time.perf_counter()
    call()
    _wait(device)
    return time.perf_counter() - began


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


if __name__ == "__main__":
    main()
