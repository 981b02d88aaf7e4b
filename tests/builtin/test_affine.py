import math

import pytest
import torch

from flowzoo.builtin.affine import Affine
from flowzoo.errors import OptionError
from flowzoo.registry.build import build_component


def test_scales_then_shifts() -> None:
    x = torch.tensor([[[[0.0, 1.0, 2.0]]]])

    z, log_det = Affine(scale=-2.0, shift=0.5)(x)

    assert z.flatten().tolist() == [0.5, -1.5, -3.5]
    assert log_det.item() == pytest.approx(3 * math.log(2.0))


def test_is_the_identity_by_default() -> None:
    x = torch.rand(2, 1, 2, 2, generator=torch.Generator().manual_seed(0))

    z, log_det = build_component("bijector", "affine", (1, 2, 2), None)(x)

    assert torch.equal(z, x)
    assert torch.equal(log_det, torch.zeros(2))


@pytest.mark.parametrize("options", [{"scale": 0.0}, {"scale": math.inf}, {"shift": math.nan}])
def test_what_has_no_inverse_is_refused(options: dict[str, float]) -> None:
    with pytest.raises(OptionError, match=next(iter(options))):
        build_component("bijector", "affine", (1, 2, 2), None, **options)
