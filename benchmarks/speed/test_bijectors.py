"""Every registered bijector, there and back, given a context where it takes one."""

from __future__ import annotations

import pytest
import subjects
import torch
from measuring import Measure, built_or_skipped
from torch import Tensor

from flowzoo.bijector import ConditionalBijector

pytestmark = pytest.mark.benchmark(group="bijectors")

Subject = tuple[ConditionalBijector, Tensor | None]


@pytest.fixture(scope="module", params=subjects.names("bijector"))
def subject(request: pytest.FixtureRequest, device: torch.device) -> Subject:
    return built_or_skipped(lambda: subjects.bijector(request.param, device))


@torch.no_grad()
def test_forward(subject: Subject, measure: Measure, device: torch.device) -> None:
    bijector, context = subject
    x, run = subjects.images(device=device), subjects.evaluation(bijector)
    measure(lambda: bijector(x, context, run))


@torch.no_grad()
def test_inverse(subject: Subject, measure: Measure, device: torch.device) -> None:
    bijector, context = subject
    run = subjects.evaluation(bijector)
    z, _ = bijector(subjects.images(device=device), context, run)
    measure(lambda: bijector.inverse(z, context, run))
