"""``flowzoo anneal``: a picture of a model's samples, plain, scaled and annealed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import torch
import typer

from flowzoo.api import RunFolder, load_model, save_grid, say
from flowzoo_wavelet_flow.annealing import Progress, annealed_sample


def anneal(
    run: Annotated[Path, typer.Argument(help="Run folder, as flowzoo train made it.")],
    temperature: Annotated[
        float, typer.Option("--temperature", help="Sampling temperature T; below 1, samples are likelier.")
    ] = 0.97,
    out: Annotated[Path, typer.Option("-o", "--out", help="PNG file to write.")] = Path("annealed.png"),
    count: Annotated[int, typer.Option("-n", "--count", min=1, help="Number of images in a row.")] = 16,
    seed: Annotated[int, typer.Option("--seed", help="Seed that makes the picture repeatable.")] = 0,
    warmup: Annotated[
        int, typer.Option("--warmup", min=1, help="NUTS transitions of each level that adapt the step size.")
    ] = 100,
    steps: Annotated[
        int, typer.Option("--steps", min=1, help="NUTS transitions of each level after the warm-up.")
    ] = 50,
    device: Annotated[
        str, typer.Option("--device", help="Device to compute on, such as cpu or cuda:1.")
    ] = "cpu",
) -> None:
    """Draw samples of a trained model, plain, scaled and annealed, into one picture.

    The rows are samples, samples whose latents are multiplied by T, and samples of every level's density to
    the power 1 / T^2, which NUTS draws.
    """
    flow = load_model(RunFolder(run).model, device=device)
    rows = [
        flow.sample(count, seed=seed),
        flow.sample(count, temperature=temperature, seed=seed),
        annealed_sample(flow, count, temperature, seed=seed, warmup=warmup, steps=steps, progress=_show),
    ]
    save_grid(torch.cat(rows), out, flow.bins, columns=count)
    say(f"wrote {out}: samples, samples with latents times {temperature:g}, annealed samples")


def _show(progress: Progress) -> None:
    """Write one line for each level, again and again."""
    end = "\n" if progress.done == progress.total else "\r"
    text = f"level {progress.level}: {progress.done} of {progress.total}, {progress.state}  "
    print(text, end=end, file=sys.stderr, flush=True)
