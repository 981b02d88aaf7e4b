import math

import pytest
import torch

from flowzoo.builtin.standardise import Standardise
from flowzoo.call import Call
from flowzoo.errors import NotInitialisedError
from tests.toys import OtherLoss, Wave

SHAPE, CONTEXT_SHAPE = (2, 2, 2), (3, 1, 1)


def data(shape: tuple[int, int, int], seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 5.0 + 3.0 * torch.randn(16, *shape, dtype=torch.float64, generator=generator)


def standardised(x: torch.Tensor) -> torch.Tensor:
    mean = x.mean((0, 2, 3), keepdim=True)
    return (x - mean) / x.std((0, 2, 3), keepdim=True, correction=0)


def initialised(inner: Wave | OtherLoss) -> Standardise:
    bijector = Standardise(inner, SHAPE, CONTEXT_SHAPE).double()
    bijector(data(SHAPE), data(CONTEXT_SHAPE, seed=1), Call(mode="initialise"))
    return bijector


def test_inner_bijector_sees_standardised_data_and_context() -> None:
    x, context = data(SHAPE), data(CONTEXT_SHAPE, seed=1)
    bijector = initialised(Wave())

    z, log_det = bijector(x, context)

    expected, inner_log_det = bijector.inner(standardised(x), standardised(context))
    scale = 4 * x.std((0, 2, 3), correction=0).log().sum()
    torch.testing.assert_close(z, expected)
    torch.testing.assert_close(log_det, inner_log_det - scale)
    torch.testing.assert_close(bijector.inverse(z, context), x)


def test_context_may_be_left_out_where_none_was_announced() -> None:
    x = data(SHAPE)
    bijector = Standardise(Wave(), SHAPE).double()

    z, _ = bijector(x, None, Call(mode="initialise"))

    torch.testing.assert_close(bijector.inverse(z), x)


def test_loss_is_the_inner_one_on_standardised_data() -> None:
    x, context = data(SHAPE), data(CONTEXT_SHAPE, seed=1)
    bijector = initialised(OtherLoss())

    scale = 4 * x.std((0, 2, 3), correction=0).log().sum()
    expected = bijector.inner.loss(standardised(x)) + scale
    torch.testing.assert_close(bijector.loss(x, context), expected)
    assert not bijector.traits.loss_is_likelihood


def test_loss_is_the_negative_log_likelihood_where_the_inner_one_is() -> None:
    x, context = data(SHAPE), data(CONTEXT_SHAPE, seed=1)
    bijector = initialised(Wave())

    z, log_det = bijector(x, context)

    log_prob = -0.5 * (z.square() + math.log(2 * math.pi)).flatten(1).sum(1) + log_det
    torch.testing.assert_close(bijector.loss(x, context), -log_prob)
    assert bijector.traits.loss_is_likelihood


def test_only_the_inner_bijector_trains() -> None:
    bijector = initialised(Wave())

    assert {name for name, _ in bijector.named_parameters()} == {"inner.a", "inner.b"}


def test_use_before_the_first_pass_is_refused() -> None:
    with pytest.raises(NotInitialisedError):
        Standardise(Wave(), SHAPE).double()(data(SHAPE))
