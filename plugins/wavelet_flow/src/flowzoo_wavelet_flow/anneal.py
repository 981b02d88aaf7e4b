"""``python -m flowzoo_wavelet_flow.anneal RUN``: a picture of a run's samples, plain, scaled and annealed."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from flowzoo.api import FlowzooError, RunFolder, load_model, save_grid
from flowzoo_wavelet_flow.annealing import Progress, annealed_sample


def main(arguments: Sequence[str] | None = None) -> int:
    """Write three rows: samples, samples of latents times ``T``, and annealed samples; return 0, or 2."""
    options = _parser().parse_args(arguments)
    try:
        flow = load_model(RunFolder(options.run).model, device=options.device)
        rows = [
            flow.sample(options.count, seed=options.seed),
            flow.sample(options.count, temperature=options.temperature, seed=options.seed),
            annealed_sample(
                flow,
                options.count,
                options.temperature,
                seed=options.seed,
                warmup=options.warmup,
                steps=options.steps,
                progress=_show,
            ),
        ]
        save_grid(torch.cat(rows), options.out, flow.bins, columns=options.count)
    except FlowzooError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(
        f"wrote {options.out}: samples, samples with latents times {options.temperature:g}, annealed samples"
    )
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m flowzoo_wavelet_flow.anneal", description=(main.__doc__ or "").partition(";")[0] + "."
    )
    parser.add_argument("run", type=Path, help="run folder, as flowzoo train made it")
    parser.add_argument("--temperature", type=float, default=0.97, help="T; default: %(default)s")
    parser.add_argument("--out", type=Path, default=Path("annealed.png"), help="default: %(default)s")
    parser.add_argument("-n", "--count", type=int, default=16, help="images a row; default: %(default)s")
    parser.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    parser.add_argument(
        "--warmup", type=int, default=100, help="NUTS transitions a level that adapt the step"
    )
    parser.add_argument("--steps", type=int, default=50, help="NUTS transitions a level after these")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1; default: %(default)s")
    return parser


def _show(progress: Progress) -> None:
    """Write one line a level, over and over."""
    end = "\n" if progress.done == progress.total else "\r"
    text = f"level {progress.level}: {progress.done} of {progress.total}, {progress.state}  "
    print(text, end=end, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
