import math

import numpy as np
import pytest
import torch

from flowzoo.builtin.actnorm import ActNorm
from flowzoo.call import Call
from flowzoo.errors import NotInitialisedError

INITIALISE = Call(mode="initialise")


def data(seed: int = 0) -> torch.Tensor:
    x = torch.randn(16, 2, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return x * torch.tensor([3.0, 0.1]).reshape(2, 1, 1) + torch.tensor([-1.0, 5.0]).reshape(2, 1, 1)


def initialised(trainable: bool = True) -> ActNorm:
    actnorm = ActNorm(2, trainable).double()
    actnorm(data(), None, INITIALISE)
    return actnorm


@pytest.mark.parametrize("trainable", [True, False])
def test_standardises_by_the_statistics_of_batch_and_space(trainable: bool) -> None:
    x = data()
    mean, std = np.mean(x.numpy(), (0, 2, 3)), np.std(x.numpy(), (0, 2, 3))

    z, log_det = initialised(trainable)(x)

    expected = (x.numpy() - mean[:, None, None]) / std[:, None, None]
    torch.testing.assert_close(z, torch.from_numpy(expected))
    assert log_det.tolist() == pytest.approx([-16 * np.log(std).sum()] * 16)


@pytest.mark.parametrize("mode", ["evaluate", "train"])
def test_use_before_the_first_pass_is_refused(mode: str) -> None:
    actnorm = ActNorm(2).double()

    for call in (lambda: actnorm(data(), None, Call(mode=mode)), lambda: actnorm.inverse(data())):
        with pytest.raises(NotInitialisedError, match="initialise"):
            call()


@pytest.mark.parametrize("mode", ["initialise", "train", "evaluate"])
def test_is_initialised_once(mode: str) -> None:
    actnorm = initialised()
    expected = actnorm(data())[0]

    actnorm(data(seed=1) + 10.0, None, Call(mode=mode))

    assert torch.equal(actnorm(data())[0], expected)


def test_is_not_initialised_again_after_loading() -> None:
    actnorm, loaded = initialised(), ActNorm(2).double()
    loaded.load_state_dict(actnorm.state_dict())

    loaded(data(seed=1) + 10.0, None, INITIALISE)

    assert torch.equal(loaded(data())[0], actnorm(data())[0])


def test_loading_an_uninitialised_state_takes_the_flag_back() -> None:
    actnorm = initialised()

    actnorm.load_state_dict(ActNorm(2).state_dict())

    with pytest.raises(NotInitialisedError):
        actnorm(data())


def test_spread_is_floored_in_value_and_log_det_alike() -> None:
    x = torch.full((4, 1, 2, 2), 0.25, dtype=torch.float64)
    actnorm = ActNorm(1).double()

    z, log_det = actnorm(x, None, INITIALISE)
    moved, _ = actnorm(x + 1e-3)

    torch.testing.assert_close(z, torch.zeros_like(z))
    torch.testing.assert_close(moved, torch.ones_like(z))
    assert log_det.tolist() == pytest.approx([4 * math.log(1e3)] * 4)


def test_one_pixel_in_one_image_has_no_spread() -> None:
    z, log_det = ActNorm(1)(torch.ones(1, 1, 1, 1), None, INITIALISE)

    assert z.item() == 0.0
    assert log_det.isfinite().all()


def test_what_is_not_trainable_has_no_parameters() -> None:
    assert not list(ActNorm(2, trainable=False).parameters())
    assert len(list(ActNorm(2).parameters())) == 2
    assert ActNorm(2).state_dict().keys() == ActNorm(2, trainable=False).state_dict().keys()
