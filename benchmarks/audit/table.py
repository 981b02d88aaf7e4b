"""The density audit's seconds, and how far off it found each model of a suite, as a Markdown table.

    python benchmarks/audit/table.py quick standard --root fashion-mnist=/usr/share/datasets/fashion-mnist

Every model is built with the suite's own options at full size and trained for a few steps only, without
warm-up, so that its weights have left their start. The audit is the one that ``flowzoo evaluate`` makes, on
the first test images.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from flowzoo.bench.cell import Cell, cells_of
from flowzoo.bench.suites import find_suite
from flowzoo.call import Call, Ledger, per_image_generators
from flowzoo.data.load import load_dataset
from flowzoo.evaluation.density.audit import SECONDS, audit_density
from flowzoo.evaluation.density.figure import Figure
from flowzoo.evaluation.density.outcome import DensityAudit
from flowzoo.evaluation.likelihood import EXACT_UP_TO
from flowzoo.evaluation.pilot import calibrate_on_pilot
from flowzoo.experiment.budget import Budget
from flowzoo.registry.saving import load_model
from flowzoo.solving import Solving
from flowzoo.training.start import start_run

COLUMNS = (
    "model",
    "data",
    "judged",
    "images",
    "log p off by",
    "allowed",
    "decode(encode(x)) off by",
    "seconds",
    "processor s",
    "outcome",
)


@dataclass(frozen=True)
class Audited:
    """One cell's audit.

    Attributes:
        cell: A cell of the suite.
        audit: Its outcome.
        processor: Seconds of the processor that it took.
    """

    cell: Cell
    audit: DensityAudit
    processor: float


def main() -> None:
    """Audit the models of suites and write a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("suites", nargs="+", help="names of suites")
    parser.add_argument("--root", action="append", default=[], metavar="DATA=FOLDER", help="files of data")
    parser.add_argument("--only", default="", help="labels to audit, parted by commas; by default all")
    parser.add_argument("--steps", type=int, default=20, help="of training")
    parser.add_argument("--images", type=int, default=32, help="of the figure, from which the audited come")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="the audit's budget")
    parser.add_argument("--out", type=Path, help="Markdown file to append rows to")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    roots = dict(each.split("=", 1) for each in asked.root)
    only = set(filter(None, asked.only.split(",")))
    _write(_line(COLUMNS), asked.out)
    _write(_line(["---"] * len(COLUMNS)), asked.out)
    for name in asked.suites:
        for cell in cells_of(find_suite(name)):
            if not only or cell.label in only:
                found = audit(cell, roots, asked.steps, asked.images, asked.seconds)
                _write(_line(list(row(found))), asked.out)


def audit(cell: Cell, roots: Mapping[str, str], steps: int, images: int, seconds: float) -> Audited:
    """Train a cell's model for some steps and audit it."""
    asked_for = cell.experiment
    options = dict(asked_for.data_options)
    if asked_for.data in roots:
        options["root"] = roots[asked_for.data]
    quick = {"validations": 1, "validation_images": 8, "warmup": 0}
    experiment = replace(
        asked_for,
        budget=Budget(steps=steps),
        data_options=options,
        training=asked_for.training.model_copy(update=quick),
    )
    metrics: dict[str, Mapping[str, Any]] = dict(cell.metrics)
    with tempfile.TemporaryDirectory() as folder:
        start_run(Path(folder) / "run", experiment, device="cpu")
        flow = load_model(Path(folder) / "run" / "model")
    source = load_dataset(asked_for.data, **options).split("test")
    asked = metrics.get("bits-per-dim", {}).get("exact")
    exact = flow.dimensions <= EXACT_UP_TO if asked is None else bool(asked)
    ledger = Ledger()
    with torch.no_grad():
        memory = calibrate_on_pilot(flow, source, images, 0, exact)
        call = Call(
            generator=per_image_generators(0, range(images)),
            ledger=ledger,
            solver=Solving(exact=exact, warm_start=memory),
        )
        bits = flow.bits_per_dim(source.take(range(images)), call).double()
    figure = Figure(
        flow=flow,
        source=source,
        bits=bits,
        importance_samples=1,
        measure=lambda model, some, call: model.bits_per_dim(some, call),
        seed=0,
        exact=exact,
        warm_start=memory,
        solved="solver" in ledger.notes,
        estimated=any(fact != "exact" for fact in ledger.notes.get("trace", ())),
    )
    began = time.process_time()
    return Audited(cell, audit_density(figure, seconds), time.process_time() - began)


def row(found: Audited) -> Iterator[str]:
    """Yield the texts of one row."""
    audit = found.audit

    def number(value: float | None) -> str:
        return "-" if value is None else f"{value:.1g}"

    yield found.cell.label
    yield found.cell.experiment.data
    yield f"{audit.method}, {audit.derivatives}" if audit.method else "-"
    yield str(audit.images)
    yield number(audit.worst)
    yield number(audit.tolerance)
    yield number(audit.round_trip)
    yield f"{audit.seconds:.1f}"
    yield f"{found.processor:.1f}"
    yield "passed" if audit.passed else "; ".join(audit.objections)


def _line(texts: list[str] | tuple[str, ...]) -> str:
    return f"| {' | '.join(text.replace('|', '/') for text in texts)} |"


def _write(line: str, out: Path | None) -> None:
    print(line, flush=True)
    if out is not None:
        with out.open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")


if __name__ == "__main__":
    main()
