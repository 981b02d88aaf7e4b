from collections.abc import Callable
from typing import Any

import pytest
import torch

from flowzoo.bijector import ConditionalBijector, standard_normal_log_prob
from flowzoo.builtin.affine import Affine
from flowzoo.builtin.block_mean import BlockMean
from flowzoo.builtin.identity import IdentityBijector, IdentityTransform
from flowzoo.builtin.keep_first_channels import KeepFirstChannels
from flowzoo.builtin.keep_nothing import KeepNothing
from flowzoo.call import Call, Ledger
from flowzoo.errors import ShapeError
from flowzoo.level import Level
from tests.toys import OtherLoss, Wave


def images() -> torch.Tensor:
    return torch.rand(3, 2, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def haar_level() -> Level:
    return Level(BlockMean(0.5), Affine(scale=3.0), KeepFirstChannels(), Wave()).double()


def test_runs_transform_joint_split_conditional_in_this_order() -> None:
    x, level = images(), haar_level()

    kept, z, terms = level(x)

    y, transform_log_det = BlockMean(0.5)(x)
    y, joint_log_det = Affine(scale=3.0)(y)
    expected_z, log_det = level.conditional(y[:, 2:], y[:, :2])
    torch.testing.assert_close(kept, y[:, :2])
    torch.testing.assert_close(z, expected_z)
    torch.testing.assert_close(terms.transform, transform_log_det)
    torch.testing.assert_close(terms.joint, joint_log_det)
    torch.testing.assert_close(terms.conditional, standard_normal_log_prob(z) + log_det)


def test_inverse_undoes_it() -> None:
    x, level = images(), haar_level()

    kept, z, _ = level(x)

    torch.testing.assert_close(level.inverse(kept, z), x)


def test_loss_is_the_negative_sum_of_the_terms() -> None:
    x, level = images(), haar_level()

    kept, loss = level.loss(x)

    expected_kept, _, terms = level(x)
    torch.testing.assert_close(kept, expected_kept)
    torch.testing.assert_close(loss, -(terms.transform + terms.joint + terms.conditional))


def test_loss_holds_the_penalties_of_its_own_level_only() -> None:
    x = images()
    level = Level(IdentityTransform(), IdentityBijector(), KeepNothing(), OtherLoss())
    ledger = Ledger(penalties={"toy": torch.full((3,), 100.0, dtype=torch.float64)})

    _, loss = level.loss(x, Call(ledger=ledger))

    torch.testing.assert_close(loss, x.square().flatten(1).sum(1) / 4 + 1)
    assert ledger.penalties["toy"].tolist() == [101.0] * 3


@pytest.mark.parametrize(
    ("joint", "separable"), [(IdentityBijector(), True), (Affine(2.0), True), (Wave(), False)]
)
def test_is_separable_unless_parameters_stand_before_the_conditional(
    joint: IdentityBijector | Affine | Wave, separable: bool
) -> None:
    assert Level(BlockMean(0.5), joint, KeepFirstChannels(), Wave()).separable is separable


def test_states_the_shapes_of_what_goes_on_and_of_the_latent() -> None:
    assert haar_level().shapes((2, 4, 6)) == ((2, 2, 3), (6, 2, 3))


class Shaped(ConditionalBijector):
    """Returns ``z``, ``log_det`` and a loss of shapes that its interface does not allow."""

    def __init__(self, z: Callable[..., torch.Tensor], log_det: Callable[..., torch.Tensor]) -> None:
        super().__init__()
        self.change_z, self.change_log_det = z, log_det

    def forward(self, x: Any, context: Any = None, call: Any = None) -> Any:
        return self.change_z(x), self.change_log_det(x.new_zeros(len(x)))

    def inverse(self, z: Any, context: Any = None, call: Any = None) -> Any:
        return z


def same(x: torch.Tensor) -> torch.Tensor:
    return x


WRONG = pytest.mark.parametrize(
    ("bijector", "message"),
    [
        (
            Shaped(lambda x: x[:, :1], same),
            r"Shaped returned z of shape \(3, 1, 4, 4\), expected \(3, 2, 4, 4\)",
        ),
        (Shaped(same, lambda x: x[:, None]), r"Shaped returned log_det of shape \(3, 1\), expected \(3,\)"),
        (Shaped(same, torch.sum), r"Shaped returned log_det of shape \(\), expected \(3,\)"),
    ],
)


@WRONG
def test_refuses_a_conditional_that_returns_another_shape(
    as_users_run_it: None, bijector: Shaped, message: str
) -> None:
    level = Level(IdentityTransform(), IdentityBijector(), KeepNothing(), bijector)
    with pytest.raises(ShapeError, match=message):
        level(images())


@WRONG
def test_refuses_a_joint_that_returns_another_shape(
    as_users_run_it: None, bijector: Shaped, message: str
) -> None:
    level = Level(IdentityTransform(), bijector, KeepNothing(), IdentityBijector())
    with pytest.raises(ShapeError, match=message):
        level(images())
    with pytest.raises(ShapeError, match=message):
        level.loss(images())


def test_refuses_a_loss_that_is_not_one_number_for_each_image(as_users_run_it: None) -> None:
    bijector = Shaped(same, lambda x: x[:, None])
    level = Level(IdentityTransform(), IdentityBijector(), KeepNothing(), bijector)
    with pytest.raises(ShapeError, match=r"Shaped returned loss of shape \(3, 3\), expected \(3,\)"):
        level.loss(images())


@pytest.mark.parametrize("shape", [None, 5, (2, 4), (2, 4, 0), (2, 4, 2.0), "abc"])
def test_refuses_a_transform_that_states_no_shape(as_users_run_it: None, shape: Any) -> None:
    transform = IdentityTransform()
    transform.output_shape = lambda _: shape  # type: ignore[method-assign]
    level = Level(transform, IdentityBijector(), KeepNothing(), IdentityBijector())
    with pytest.raises(ShapeError, match=r"IdentityTransform\.output_shape"):
        level.shapes((2, 4, 4))


def test_refuses_a_split_that_states_no_shape(as_users_run_it: None) -> None:
    split = KeepNothing()
    split.shapes = lambda _: ((2, 4), (2, 4, 4))  # type: ignore[method-assign,assignment,return-value]
    level = Level(IdentityTransform(), IdentityBijector(), split, IdentityBijector())
    with pytest.raises(ShapeError, match=r"KeepNothing\.shapes"):
        level.shapes((2, 4, 4))


def test_refuses_what_is_no_part_of_a_level(as_users_run_it: None) -> None:
    with pytest.raises(TypeError, match="a level got a NoneType where it takes a ConditionalBijector"):
        Level(IdentityTransform(), IdentityBijector(), KeepNothing(), None)  # type: ignore[arg-type]
