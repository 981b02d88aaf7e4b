"""Why a solve is slow: what a model's components measure of themselves on one batch, in both directions."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from flowzoo.call import Call, Ledger, per_image_generators
from flowzoo.data.batches import spread
from flowzoo.evaluation.findings import Findings, Row
from flowzoo.evaluation.notes import stated
from flowzoo.flow import Flow
from flowzoo.integers import positive_integer
from flowzoo.loading import load_subject
from flowzoo.seeds import check_seed
from flowzoo.shapes import IntegerImages
from flowzoo.solving import Finding, Solving
from flowzoo.warm_start import WarmStart


@dataclass(frozen=True)
class Diagnosis:
    """What a model's components measured of themselves.

    Attributes:
        images: Number of images in the batch, and of samples.
        solver: ODE solver and tolerance; empty for models without.
        forward_seconds: Time from the images to their likelihoods, with an estimated trace if the model has
            one.
        backward_seconds: Time from latents to as many samples.
        rows: What was measured, forward and backward; none where no component has anything to report.
        advice: Advice that follows from the measurements.
        data_notes: How the images differ from those that the run was started on.
    """

    images: int
    solver: str
    forward_seconds: float
    backward_seconds: float
    rows: tuple[Row, ...]
    advice: tuple[str, ...]
    data_notes: tuple[str, ...] = ()


@torch.no_grad()
def diagnose(flow: Flow, images: IntegerImages, seed: int = 0) -> Diagnosis:
    """Take images forward and samples backward through a model, and collect what its components report.

    Args:
        flow: The model.
        images: ``(B, C, H, W)``, integers in ``{0, ..., bins - 1}``; as many samples are drawn.
        seed: Seed of noise, probes and samples.

    Raises:
        NumericalError: A solver did not finish, or a result is not finite.
    """
    ledger, found = Ledger(), list[Finding]()
    count = len(images)
    generators = per_image_generators(seed, range(count))
    call = Call(
        generator=generators, ledger=ledger, solver=Solving(warm_start=WarmStart(flow), findings=found)
    )
    x = flow.dequantise(images, call).x
    # What is loaded in the first call must not count.
    flow.terms(x[:1])
    began = time.monotonic()
    flow.terms(x, call)
    forward_seconds = time.monotonic() - began

    call = Call(
        generator=torch.Generator().manual_seed(seed),
        ledger=ledger,
        solver=Solving(warm_start=WarmStart(flow), findings=found),
    )
    latents = flow.draw_latents(count, call=call)
    began = time.monotonic()
    flow.decode(latents, call)
    backward_seconds = time.monotonic() - began

    findings = Findings(WarmStart(flow))
    findings.take(found)
    return Diagnosis(
        images=count,
        solver=stated(ledger, "solver"),
        forward_seconds=forward_seconds,
        backward_seconds=backward_seconds,
        rows=findings.rows(),
        advice=findings.advice(),
    )


def diagnose_run(
    path: Path | str,
    split: str = "test",
    *,
    data: str | None = None,
    images: int = 64,
    seed: int = 0,
    device: str = "auto",
    data_options: Mapping[str, Any] | None = None,
) -> Diagnosis:
    """Diagnose the model of a run folder, or a saved model.

    Args:
        path: The run folder or the saved model.
        split: ``train``, ``validation`` or ``test``.
        images: Number of images, spread evenly over the split.
        seed: Seed of noise, probes and samples.
        device: As :func:`~flowzoo.device.prepare_device` takes it.
        data: The name of a data set; by default that of the run.
        data_options: Options of the data set that is named; without ``data``, where the files of the run are
            now.

    Raises:
        SavedModelError: The folder holds no model.
        DataError: The images cannot be loaded.
        OptionError: An option is out of range.
        NumericalError: A solver did not finish, or a result is not finite.
    """
    seed = check_seed(seed)
    images = positive_integer("images", images)
    subject = load_subject(path, data, data_options, device)
    source = subject.data.dataset.split(split)
    found = diagnose(subject.flow, source.take(spread(len(source), images)), seed)
    changes = subject.data.changes
    return replace(found, data_notes=tuple(note for each, note in changes.items() if each == split))
