from typing import ClassVar

import pytest
import torch
from torch import nn

from flowzoo.bijector import ConditionalBijector, Phase
from flowzoo.builtin.actnorm import ActNorm
from flowzoo.builtin.affine import Affine
from flowzoo.builtin.stack import Stack
from flowzoo.builtin.standardise import Standardise
from flowzoo.call import EVALUATION, Call, Ledger
from flowzoo.component import Spec
from flowzoo.errors import OptionError
from flowzoo.phases import common_phases
from flowzoo.registry.build import build_component
from flowzoo.shapes import Images, PerImage
from flowzoo.solving import Solving
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


def greedy(*parts: ConditionalBijector, shares: list[float] | None = None) -> Stack:
    return Stack(parts, training="greedy", shares=shares)


def gradients(stack: Stack, phase: str) -> dict[str, bool]:
    """Return which parameters the loss of a phase gives a gradient."""
    stack.zero_grad()
    stack.loss(images(), images(2, seed=1), Call(mode="train", solver=Solving(phase=phase))).sum().backward()
    return {name: each.grad is not None for name, each in stack.named_parameters()}


def test_greedy_parts_have_a_phase_each_and_those_with_phases_one_for_each_of_them() -> None:
    phased = Wave()
    phased.phases = (Phase("rough", 0.75, 3.0), Phase("fine", 0.25, 0.5))

    stack = greedy(Wave(), Affine(scale=2.0), phased, shares=[0.2, 0.0, 0.8])

    expected = [("part 1", 0.2, 1.0), ("part 3, rough", 0.6, 3.0), ("part 3, fine", 0.2, 0.5)]
    found = [(each.name, each.share, each.rate) for each in stack.phases]
    assert [each[0] for each in found] == [each[0] for each in expected]
    assert [each[1:] for each in found] == [pytest.approx(each[1:]) for each in expected]
    assert [each.share for each in greedy(Wave(), Affine(scale=2.0), Wave()).phases] == [0.5, 0.5]
    assert common_phases([Standardise(stack, (1, 2, 2))]) == stack.phases


def test_a_greedy_part_trains_alone_on_its_own_objective_and_is_told_its_own_phase() -> None:
    class Told(OtherLoss):
        phases = (Phase("only"),)

        def __init__(self) -> None:
            super().__init__()
            self.a = nn.Parameter(torch.zeros(()))
            self.told: list[str] = []

        def loss(self, x: Images, context: Images | None = None, call: Call = EVALUATION) -> PerImage:
            self.told.append(call.solver.phase)
            return super().loss(x, context, call) + self.a

    first, last = Wave().double(), Told()
    stack = greedy(first, last)

    assert gradients(stack, "part 1") == {"parts.0.a": True, "parts.0.b": True, "parts.1.a": False}
    assert gradients(stack, "part 2, only") == {"parts.0.a": False, "parts.0.b": False, "parts.1.a": True}
    assert last.told == ["only"]
    assert not stack.traits.loss_is_likelihood
    x, context, solver = images(), images(2, seed=1), Solving(phase="part 1")
    torch.testing.assert_close(
        stack.loss(x, context, Call(solver=solver)), first.loss(x, context, Call(solver=solver))
    )


def test_parts_before_the_one_that_trains_are_evaluated() -> None:
    class Noting(Wave):
        modes: ClassVar[list[str]] = []

        def forward(
            self, x: Images, context: Images | None = None, call: Call = EVALUATION
        ) -> tuple[Images, PerImage]:
            self.modes.append(call.mode)
            return super().forward(x, context, call)

    gradients(greedy(Noting().double(), Wave().double()), "part 2")

    assert Noting.modes == ["evaluate"]


@pytest.mark.parametrize(
    ("shares", "named"),
    [([1.0], "shares"), ([0.0, 0.0, 1.0], "share"), ([0.5, 0.2, 0.3], "share"), ([0.5, 0.0, 0.4], "shares")],
)
def test_shares_that_do_not_fit_the_parts_are_refused_in_one_line(shares: list[float], named: str) -> None:
    with pytest.raises(OptionError, match=named) as caught:
        greedy(Wave(), Affine(scale=2.0), Wave(), shares=shares)
    assert "\n" not in str(caught.value)


def test_shares_of_parts_that_train_together_are_refused() -> None:
    with pytest.raises(OptionError, match="training=greedy"):
        Stack([Wave(), Wave()], shares=[0.5, 0.5])


def test_a_greedy_stack_of_parts_without_parameters_is_an_ordinary_one() -> None:
    stack = greedy(Affine(scale=2.0), Affine(shift=1.0))

    assert stack.phases == ()
    assert stack.traits.loss_is_likelihood


def test_a_frozen_greedy_stack_keeps_its_phases_and_computes() -> None:
    stack = greedy(Wave(), Wave())
    phases = stack.phases
    expected = stack(images())[0]
    stack.requires_grad_(False)
    assert stack.phases == phases
    torch.testing.assert_close(stack(images())[0], expected)
