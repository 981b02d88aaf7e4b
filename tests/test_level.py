import pytest
import torch

from flowzoo.bijector import standard_normal_log_prob
from flowzoo.builtin.affine import Affine
from flowzoo.builtin.block_mean import BlockMean
from flowzoo.builtin.identity import IdentityBijector, IdentityTransform
from flowzoo.builtin.keep_first_channels import KeepFirstChannels
from flowzoo.builtin.keep_nothing import KeepNothing
from flowzoo.level import Level
from flowzoo.run import Ledger, Run
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

    _, loss = level.loss(x, Run(ledger=ledger))

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
