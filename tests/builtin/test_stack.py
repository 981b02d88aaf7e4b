import pytest
import torch

from flowzoo.builtin.actnorm import ActNorm
from flowzoo.builtin.affine import Affine
from flowzoo.builtin.stack import Stack
from flowzoo.call import Call, Ledger
from flowzoo.component import Spec
from flowzoo.errors import OptionError
from flowzoo.registry.build import build_component
from tests.toys import OtherLoss, Wave


def images(channels: int = 1, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(3, channels, 2, 2, dtype=torch.float64, generator=generator)


def test_applies_its_parts_in_order_and_undoes_them_in_reverse() -> None:
    x = images()
    stack = Stack([Affine(scale=2.0), Affine(shift=1.0)])

    z, log_det = stack(x)

    torch.testing.assert_close(z, 2 * x + 1)
    torch.testing.assert_close(log_det, Affine(scale=2.0)(x)[1])
    torch.testing.assert_close(stack.inverse(z), x)


def test_gives_every_part_the_context_and_the_run() -> None:
    x, context = images(), images(2, seed=1)
    first, second = Wave().double(), Wave().double()

    z, log_det = Stack([first, second])(x, context)

    y, first_log_det = first(x, context)
    expected, second_log_det = second(y, context)
    torch.testing.assert_close(z, expected)
    torch.testing.assert_close(log_det, first_log_det + second_log_det)
    torch.testing.assert_close(Stack([first, second]).inverse(z, context), x)


def test_parts_are_initialised_on_what_reaches_them() -> None:
    z, _ = Stack([Affine(scale=5.0), ActNorm(1).double()])(images(), None, Call(mode="initialise"))

    assert z.std(correction=0).item() == pytest.approx(1.0)


def test_loss_is_the_negative_log_likelihood_where_the_last_parts_is() -> None:
    stack = Stack([Affine(scale=2.0), Wave().double()])
    whole = super(Stack, stack).loss(images())

    assert stack.traits.loss_is_likelihood
    torch.testing.assert_close(stack.loss(images()), whole)


def test_last_part_decides_the_loss_and_sees_the_run() -> None:
    x, ledger = images(), Ledger()
    stack = Stack([Affine(scale=2.0), OtherLoss()])

    loss = stack.loss(x, None, Call(ledger=ledger))

    assert not stack.traits.loss_is_likelihood
    torch.testing.assert_close(loss, OtherLoss().loss(2 * x) - Affine(scale=2.0)(x)[1])
    assert ledger.penalties.keys() == {"toy"}


def test_parameters_before_a_loss_that_is_no_likelihood_are_refused() -> None:
    Stack([ActNorm(1, trainable=False), OtherLoss()])
    with pytest.raises(OptionError, match=r"objective=likelihood"):
        Stack([ActNorm(1), OtherLoss()])


def test_a_part_before_the_last_that_would_not_train_as_it_is_told_is_refused() -> None:
    with pytest.raises(OptionError, match="objective=likelihood"):
        Stack([OtherLoss(), ActNorm(1)])


def test_a_stack_of_nothing_is_refused() -> None:
    with pytest.raises(OptionError, match="parts"):
        build_component("bijector", "stack", (1, 2, 2), None, parts=[])
    with pytest.raises(OptionError, match="identity"):
        Stack([])


def test_parts_are_built_by_name() -> None:
    stack = build_component(
        "bijector", "stack", (1, 2, 2), None, parts=[Spec("affine", scale=4.0), Spec("identity")]
    )

    torch.testing.assert_close(stack(images())[0], 4 * images())
