"""Every registered model computes in half precision and in mixed formats, or says in one line why not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from torch import Tensor, nn

from flowzoo.bijector import ConditionalBijector
from flowzoo.builtin.actnorm import ActNorm
from flowzoo.builtin.affine import Affine
from flowzoo.builtin.identity import IdentityBijector, IdentityTransform
from flowzoo.builtin.keep_nothing import KeepNothing
from flowzoo.call import Call
from flowzoo.errors import NotInitialisedError, OptionError
from flowzoo.flow import Flow
from flowzoo.level import Level
from flowzoo.registry.loader import default_registry
from flowzoo.testing import trial_of
from flowzoo.testing.models import Model

MODELS = [component.name for component in default_registry().components("model")]
SOLVED = ("cnf",)
"""Bijectors that solve equations to a tolerance, which half precision cannot hold."""

every_model = pytest.mark.parametrize("name", MODELS)
half_precision = pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)


def ready(name: str) -> tuple[Flow, Tensor]:
    trial = trial_of("model", name)
    flow = Model.ready(trial).module.float()
    generator = torch.Generator().manual_seed(0)
    return flow, torch.rand(4, *trial.check.shape, dtype=torch.float64, generator=generator)


def is_solved(flow: Flow) -> bool:
    assert flow.recipe is not None
    return any(f"bijector:{each}" in flow.recipe.revisions for each in SOLVED)


@contextmanager
def one_line_or_none() -> Iterator[list[str]]:
    """Give a list that holds the line with which a model refused what is tried, if it does."""
    refused: list[str] = []
    try:
        yield refused
    except OptionError as refusal:
        refused.append(str(refusal))
        assert "\n" not in refused[0]


def training() -> Call:
    return Call(mode="train", generator=torch.Generator().manual_seed(0))


def integers(x: Tensor) -> Tensor:
    return (x * 256).to(torch.uint8)


@every_model
@half_precision
def test_half_precision_computes_or_is_refused(name: str, dtype: torch.dtype) -> None:
    flow, x = ready(name)
    single, bits = flow.log_prob(x).detach(), flow.bits_per_dim(integers(x)).detach()
    flow.to(dtype)
    if is_solved(flow):
        for call in (
            lambda: flow.log_prob(x),
            lambda: flow.sample(2, seed=0),
            lambda: flow.loss(x, training()),
            lambda: flow.bits_per_dim(integers(x)),
            lambda: trial_of("model", name).build().to(dtype).initialise([x]),
        ):
            with pytest.raises(OptionError, match="cnf solves its ODE in float32 or float64") as refusal:
                call()
            assert "\n" not in str(refusal.value)
        return
    terms = flow.terms(x)
    loss = flow.loss(x, training())
    per_image = [*loss, *(term for level in terms.levels for term in level)]
    scale = 1 + single.abs().max()

    assert {each.dtype for each in per_image} == {torch.float32}
    assert float((terms.total().detach() - single).abs().max() / scale) < 0.05
    torch.testing.assert_close(flow.bits_per_dim(integers(x)).detach(), bits, rtol=0.02, atol=0.02)
    torch.testing.assert_close(flow.decode(flow.encode(x)).to(x), x, rtol=0, atol=0.1)
    torch.testing.assert_close(flow.log_prob(x.to(dtype).clamp(max=0.99)).isfinite(), torch.ones(4).bool())
    assert flow.sample(2, seed=0).dtype == dtype
    if any(True for _ in flow.parameters()):
        torch.stack(loss).sum().backward()
        assert all(bool(each.grad.isfinite().all()) for each in flow.parameters() if each.grad is not None)


@every_model
@half_precision
def test_the_first_pass_over_data_in_half_precision(name: str, dtype: torch.dtype) -> None:
    x = torch.rand(64, *trial_of("model", name).check.shape, generator=torch.Generator().manual_seed(0))
    found, expected = (trial_of("model", name).build() for _ in range(2))
    if is_solved(found):
        return  # refused, as the test above shows
    found.to(dtype)
    for flow in (found, expected):
        try:
            flow.initialise([x])
        except NotInitialisedError:
            assert any(level.split.unscored() is not None for level in flow.levels)  # it trains first
            return

    for (key, value), other in zip(found.state_dict().items(), expected.state_dict().values(), strict=True):
        torch.testing.assert_close(value.to(other), other, rtol=0.1, atol=0.1, msg=key)


@every_model
def test_autocast(name: str) -> None:
    flow, x = ready(name)
    expected = flow.log_prob(x).detach()
    with torch.autocast("cpu", torch.bfloat16):
        found, loss = flow.log_prob(x).detach(), torch.stack(flow.loss(x, training())).sum()
        back, samples = flow.decode(flow.encode(x)), flow.sample(2, seed=0)
        flow.bits_per_dim(integers(x))

    assert float((found - expected).abs().max() / (1 + expected.abs().max())) < 0.05
    torch.testing.assert_close(back.to(x), x, rtol=0, atol=0.1)
    assert bool(samples.isfinite().all())
    assert loss.dtype == torch.float32
    assert flow.recipe is not None
    # A solver's tolerance means what it says; a preconditioner's network may round as those of couplings.
    if is_solved(flow) and flow.recipe.options.get("precondition") is None:
        torch.testing.assert_close(found, expected)


@every_model
def test_parts_in_different_formats_compute_or_are_refused(name: str) -> None:
    for part in (lambda flow: flow.levels[-1], lambda flow: flow.levels[0].conditional):
        flow, x = ready(name)
        expected = flow.log_prob(x).detach()
        flow.bfloat16()
        part(flow).float()
        with one_line_or_none() as refused:
            found = flow.log_prob(x).detach()
            assert float((found - expected).abs().max() / (1 + expected.abs().max())) < 0.05
            assert bool(flow.sample(2, seed=0).isfinite().all())
        assert all("bfloat16" in line for line in refused)


@every_model
def test_double_precision_by_default(name: str) -> None:
    x = torch.rand(64, *trial_of("model", name).check.shape, generator=torch.Generator().manual_seed(0))
    torch.set_default_dtype(torch.float64)
    try:
        flow = trial_of("model", name).build()
        if any(level.split.unscored() is not None for level in flow.levels):
            return  # it has to be trained before it is used
        flow.initialise([x])
        assert flow.log_prob(x[:2]).dtype == torch.float64
        assert flow.sample(2, seed=0).dtype == torch.float64
        assert {each.dtype for each in flow.loss(x[:2].double(), training())} == {torch.float64}
    finally:
        torch.set_default_dtype(torch.float32)


@every_model
def test_on_the_meta_device_it_is_refused_and_back_from_there_it_computes(name: str) -> None:
    flow, x = ready(name)
    state, expected = {key: value.clone() for key, value in flow.state_dict().items()}, flow.log_prob(x)
    flow.to("meta")
    if state:
        calls = (
            lambda: flow.log_prob(x),
            lambda: flow.sample(1),
            lambda: flow.bits_per_dim(integers(x)),
            lambda: flow.loss(x, training()),
        )
        for call in calls:
            with pytest.raises(OptionError, match="'meta'"):
                call()

    flow.to_empty(device="cpu")
    flow.load_state_dict(state)

    torch.testing.assert_close(flow.log_prob(x), expected)


def test_a_first_pass_is_not_taken_for_made_after_its_weights_were_lost() -> None:
    norm = ActNorm(1)
    norm(torch.rand(8, 1, 2, 2), None, Call(mode="initialise"))
    norm(torch.rand(8, 1, 2, 2))

    norm.to("meta").to_empty(device="cpu")
    norm.first_pass.initialised.fill_(False)

    with pytest.raises(NotInitialisedError):
        norm(torch.rand(8, 1, 2, 2))


class Failing(ConditionalBijector):
    """A bijector that fails in a way that has nothing to do with number formats."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))

    def forward(self, x, context=None, call=None):  # type: ignore[no-untyped-def]
        raise RuntimeError("out of order")

    def inverse(self, z, context=None, call=None):  # type: ignore[no-untyped-def]
        raise RuntimeError("out of order")


def test_other_errors_stay_what_they_are() -> None:
    level = Level(IdentityTransform(), IdentityBijector(), KeepNothing(), Failing())
    flow = Flow((1, 2, 2), [level], Affine())

    with pytest.raises(RuntimeError, match="out of order") as error:
        flow.log_prob(torch.rand(2, 1, 2, 2))

    assert not isinstance(error.value, OptionError)
