import mpmath
import pytest
import torch

from flowzoo.builtin.logit import Logit
from flowzoo.errors import OptionError
from flowzoo.registry.build import build_component

VALUES = [0.0, 1e-12, 0.3, 0.5, 0.999, 1.0 - 2.0**-24, 1.0 - 2.0**-53]


def reference(value: float, alpha: float) -> tuple[float, float]:
    """Value and logarithm of the derivative, in 60 digits, the latter by numerical differentiation."""
    with mpmath.workdps(60):

        def logit(x: mpmath.mpf) -> mpmath.mpf:
            p = mpmath.mpf(alpha) + (1 - 2 * mpmath.mpf(alpha)) * x
            return mpmath.log(p / (1 - p))

        x = mpmath.mpf(value)
        return float(logit(x)), float(mpmath.log(mpmath.diff(logit, x, h=mpmath.mpf(10) ** -25)))


@pytest.mark.parametrize("alpha", [0.05, 1e-3, 1e-6])
@pytest.mark.parametrize("value", VALUES)
def test_value_and_log_det_up_to_the_ends(value: float, alpha: float) -> None:
    z, log_det = Logit(alpha)(torch.full((1, 1, 1, 1), value, dtype=torch.float64))

    expected = reference(value, alpha)
    assert (z.item(), log_det.item()) == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_float32_input_is_computed_in_float64() -> None:
    x = torch.tensor(1.0 - 2.0**-24, dtype=torch.float32).reshape(1, 1, 1, 1)

    z, log_det = Logit(1e-6)(x)

    assert z.dtype == log_det.dtype == torch.float32
    assert (z.item(), log_det.item()) == pytest.approx(reference(x.item(), 1e-6), rel=1e-6)


def test_log_det_sums_over_an_image() -> None:
    x = torch.rand(2, 3, 2, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))

    _, log_det = Logit(0.05)(x)

    for found, image in zip(log_det, x, strict=True):
        expected = sum(reference(value, 0.05)[1] for value in image.flatten().tolist())
        assert found.item() == pytest.approx(expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_inverse_of_anything_finite_is_finite(dtype: torch.dtype) -> None:
    largest = torch.finfo(dtype).max
    z = torch.tensor([-largest, -1e3, 0.0, 1e3, largest], dtype=dtype).reshape(1, 1, 1, 5)

    x = Logit(0.05).inverse(z)

    reach = 0.05 / 0.9
    assert x.dtype == dtype
    assert bool(((x >= -reach - 1e-6) & (x <= 1 + reach + 1e-6)).all())


def test_round_trip_at_a_tiny_alpha() -> None:
    x = torch.tensor(VALUES, dtype=torch.float64).reshape(1, 1, 1, -1)
    logit = Logit(1e-6)

    torch.testing.assert_close(logit.inverse(logit(x)[0]), x, rtol=0, atol=1e-15)


@pytest.mark.parametrize("alpha", [0.0, 0.5, -1.0])
def test_alpha_out_of_range_is_refused(alpha: float) -> None:
    with pytest.raises(OptionError, match="alpha"):
        build_component("bijector", "logit", (1, 2, 2), None, alpha=alpha)
