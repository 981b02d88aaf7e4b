"""Checks of the networks inside couplings and vector fields."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import final

import torch
from torch import Tensor

from flowzoo.errors import FlowzooError
from flowzoo.network import Network
from flowzoo.shapes import Images
from flowzoo.testing.draws import BATCH, Draws, draw_noise
from flowzoo.testing.result import require, require_close
from flowzoo.testing.subject import Subject
from flowzoo.testing.trial import Trial


@final
class Net(Subject):
    """A network on trial; one that is timed gets another time for each image."""

    module: Network

    def first_pass(self, seed: int = 0) -> None:
        """Networks take nothing from data."""

    def outputs(self, x: Images, context: Images | None, draws: Draws) -> dict[str, Tensor]:
        return {"the output": self.module(x, context, self._times(x, draws))}

    def objectives(self, x: Images, context: Images | None, draws: Draws) -> dict[str, Tensor]:
        y = self.module(x, context, self._times(x, draws))
        return {"a function of its output": (y * draw_noise(y)).sum()}

    def _times(self, x: Images, draws: Draws) -> Tensor | None:
        if not self.trial.timed:
            return None
        return (torch.tensor([*draws.indices]) / BATCH).to(x)


def in_all_variants(check: Callable[[type[Net], Trial], None]) -> Callable[[type[Net], Trial], None]:
    """Return a check that is made with and without a context and a time, as far as the network takes them."""

    def every(kind: type[Net], trial: Trial) -> None:
        for variant in _variants(trial):
            check(kind, variant)

    return every


def has_network_shapes(kind: type[Net], trial: Trial) -> None:
    """The output has the stated number of channels, and the input's height and width."""
    subject = kind.ready(trial)
    channels, height, width = trial.check.shape
    y = subject.outputs(subject.images(), subject.context(), Draws())["the output"]
    expected = (BATCH, channels + 1, height, width)
    require(tuple(y.shape) == expected, f"the output has shape {tuple(y.shape)}, expected {expected}")


def uses_its_time(kind: type[Net], trial: Trial) -> None:
    """One time for all images is as good as the same time for each, and another time gives another output."""
    if not trial.timed:
        return
    subject = kind.ready(trial)
    x, context = subject.images(), subject.context()
    time = torch.tensor(0.25, dtype=torch.float64)
    y = subject.module(x, context, time)
    require_close(subject.module(x, context, time.expand(BATCH)), y, 1e-12, "one time for each image")
    require(not torch.equal(subject.module(x, context, time + 0.5), y), "the output does not depend on time")


def _variants(trial: Trial) -> list[Trial]:
    """Return the trials of all variants that the network's builder does not refuse; one it must build."""
    contexts = {trial.check.context_shape, None}
    wanted = [
        replace(trial.with_check(context_shape=context), timed=timed)
        for context in contexts
        for timed in (False, True)
    ]
    found: list[Trial] = []
    refusals: list[str] = []
    for variant in wanted:
        try:
            variant.build()
        except FlowzooError as refusal:
            refusals.append(str(refusal))
        else:
            found.append(variant)
    require(bool(found), f"cannot be built at all: {'; '.join(refusals)}")
    return found
