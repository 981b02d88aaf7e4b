"""Every registered model: a training step, log-likelihoods, samples, and the inversion of latents."""

from __future__ import annotations

import copy

import pytest
import subjects
import torch
from measuring import Measure, built_or_skipped
from step import OneBatch

from flowzoo.flow import Flow

pytestmark = pytest.mark.benchmark(group="models")


@pytest.fixture(scope="module", params=subjects.names("model"))
def flow(request: pytest.FixtureRequest, device: torch.device) -> Flow:
    return built_or_skipped(lambda: subjects.model(request.param, device))


def test_training_step(flow: Flow, measure: Measure) -> None:
    if not any(True for _ in flow.parameters()):
        pytest.skip("nothing of it is trained by steps")
    # The other tests get the weights as they are.
    measure(OneBatch(copy.deepcopy(flow)))


@torch.no_grad()
def test_log_prob(flow: Flow, measure: Measure, device: torch.device) -> None:
    x, run = subjects.images(device=device), subjects.evaluation(flow)
    measure(lambda: flow.log_prob(x, run))


def test_sampling(flow: Flow, measure: Measure) -> None:
    measure(lambda: flow.sample(subjects.IMAGES, seed=0))


@torch.no_grad()
def test_inversion(flow: Flow, measure: Measure, device: torch.device) -> None:
    run = subjects.evaluation(flow)
    latents = flow.encode(subjects.images(device=device), run)
    measure(lambda: flow.decode(latents, run))
