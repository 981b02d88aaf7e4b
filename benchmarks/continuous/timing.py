"""Timing two or more ways side by side, and showing figures in tables."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from rich import box
from rich.console import Console
from rich.table import Table


def alternate(
    cases: Mapping[str, Callable[[int], object]],
    repetitions: int,
    warm_up: int,
    before: Callable[[], None] = lambda: None,
) -> dict[str, list[float]]:
    """Time every case once in each repetition, in turn from first to last and from last to first.

    Args:
        cases: By name; each gets the number of the repetition, so that all can take the same batch.
        repetitions: That are timed.
        warm_up: Repetitions before them.
        before: Called before every case, not timed.

    Returns:
        Seconds by name, one of each repetition.
    """
    seconds: dict[str, list[float]] = {name: [] for name in cases}
    for repetition in range(-warm_up, repetitions):
        names = list(cases) if repetition % 2 == 0 else list(reversed(cases))
        for name in names:
            before()
            _wait()
            began = time.perf_counter()
            cases[name](repetition)
            _wait()
            if repetition >= 0:
                seconds[name].append(time.perf_counter() - began)
    return seconds


def _wait() -> None:
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()


def ratios(slow: Sequence[float], fast: Sequence[float]) -> dict[str, float]:
    """Return median, least and greatest of the ratios of two series' pairs."""
    found = [a / b for a, b in zip(slow, fast, strict=True)]
    return {"median": statistics.median(found), "least": min(found), "greatest": max(found)}


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows under their columns; the first column to the left, figures to the right."""
    table = Table(box=box.SIMPLE_HEAD)
    for place, column in enumerate(columns):
        table.add_column(column, justify="right" if place else "left", no_wrap=True)
    for row in rows:
        table.add_row(*(f"{cell:.4g}" if isinstance(cell, float) else str(cell) for cell in row))
    console = Console(width=140, highlight=False)
    console.print(title, table, sep="\n")


def print_ratios(found: Mapping[str, Mapping[str, float]]) -> None:
    rows = [(name, each["median"], each["least"], each["greatest"]) for name, each in found.items()]
    print_table("times faster, pair by pair", ("", "median", "least", "greatest"), rows)


def write(path: Path | None, figures: Mapping[str, Any]) -> None:
    """Write figures as JSON, if asked to."""
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
