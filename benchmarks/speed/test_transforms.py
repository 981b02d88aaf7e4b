"""Every registered resolution transform, there and back."""

from __future__ import annotations

import pytest
import subjects
import torch
from measuring import Measure, built_or_skipped

from flowzoo.transform import ResolutionTransform

pytestmark = pytest.mark.benchmark(group="transforms")


@pytest.fixture(scope="module", params=subjects.names("transform"))
def transform(request: pytest.FixtureRequest, device: torch.device) -> ResolutionTransform:
    return built_or_skipped(lambda: subjects.transform(request.param, device))


@torch.no_grad()
def test_forward(transform: ResolutionTransform, measure: Measure, device: torch.device) -> None:
    x, run = subjects.images(device=device), subjects.evaluation(transform)
    measure(lambda: transform(x, run))


@torch.no_grad()
def test_inverse(transform: ResolutionTransform, measure: Measure, device: torch.device) -> None:
    run = subjects.evaluation(transform)
    y, _ = transform(subjects.images(device=device), run)
    measure(lambda: transform.inverse(y, run))
