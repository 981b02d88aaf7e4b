"""With labels, every function on latents computes with ``p(x | label)``."""

from __future__ import annotations

import pytest
import torch
from scipy.stats import kstest

from flowzoo.bijector import ConditionalBijector
from flowzoo.builtin.affine import Affine
from flowzoo.builtin.identity import IdentityBijector, IdentityTransform
from flowzoo.builtin.keep_nothing import KeepNothing
from flowzoo.builtin.labelled import Labelled
from flowzoo.call import EVALUATION, Call
from flowzoo.errors import OptionError
from flowzoo.flow import Flow
from flowzoo.latents.inpainting import inpaint
from flowzoo.latents.interpolation import interpolate
from flowzoo.latents.reconstruction import reconstruct
from flowzoo.latents.unfolding import unfold
from flowzoo.level import Level
from flowzoo.perturbation import randomise
from flowzoo.registry.models import create_model
from flowzoo.scaling import project, upscale
from flowzoo.shapes import Images, PerImage
from flowzoo.traits import BijectorTraits
from tests.test_scaling import same

SHAPE = (1, 4, 4)
LABELS = torch.tensor([0, 2, -1])
NETWORK = {"name": "dense", "hidden": 4, "layers": 1}
COUPLINGS = {"checkerboard": 1, "channel": 0, "network": NETWORK}


@pytest.fixture(scope="module")
def flow() -> Flow:
    """Return a model of two levels, in which every class changes every coupling."""
    made = create_model("pnf", SHAPE, pixels="affine", seed=0, classes=3, levels=2, bijector=COUPLINGS)
    made.initialise([torch.rand(100, *SHAPE, generator=torch.Generator().manual_seed(0))])
    randomise(made, 0)
    return made.double()


def images(count: int = 3) -> Images:
    generator = torch.Generator().manual_seed(1)
    return torch.rand(count, *SHAPE, dtype=torch.float64, generator=generator)


def test_the_ends_of_a_path_are_the_images_and_its_middle_is_decoded_with_the_class(flow: Flow) -> None:
    first, last = images(6).chunk(2)
    found = interpolate(flow, first, last, 3, labels=LABELS, batch_size=2)
    same(found[:, 0], first, atol=1e-9)
    same(found[:, 2], last, atol=1e-9)
    pairs = zip(flow.encode(first, labels=LABELS), flow.encode(last, labels=LABELS), strict=True)
    same(found[:, 1], flow.decode([(a + b) / 2 for a, b in pairs], labels=LABELS), atol=1e-9)
    assert not torch.allclose(found[0, 1], interpolate(flow, first, last, 3)[0, 1])


def test_kept_levels_and_drawn_ones_have_the_class(flow: Flow) -> None:
    kept = reconstruct(flow, images(), [0, 1], seed=0, draws=2, labels=LABELS)
    same(kept, images()[:, None].expand(kept.shape), atol=1e-9)
    drawn = reconstruct(flow, images(), [], seed=3, draws=2, labels=LABELS, batch_size=2)
    same(drawn[:, 0], flow.sample(3, seed=3, labels=LABELS))
    assert not torch.allclose(drawn[0, 0], reconstruct(flow, images(), [], seed=3)[0, 0])


def test_a_projection_has_the_class(flow: Flow) -> None:
    once = project(flow, images(), 1, labels=LABELS)
    same(once, reconstruct(flow, images(), [1], 0.0, labels=LABELS)[:, 0], atol=1e-9)
    same(project(flow, once, 1, labels=LABELS, batch_size=2), once, atol=1e-9)
    assert not torch.allclose(once[0], project(flow, images(), 1)[0])


def test_stages_and_scaled_images_have_the_class(flow: Flow) -> None:
    coarse, last = unfold(flow, 3, seed=5, labels=LABELS)
    same(last, flow.sample(3, seed=5, labels=LABELS))
    same(upscale(flow, coarse, 1, seed=5, labels=LABELS), last, atol=1e-9)


class Shifted(ConditionalBijector):
    """Moves the values of images of class 1 down by 2."""

    traits = BijectorTraits()

    def forward(
        self, x: Images, context: Images | None = None, call: Call = EVALUATION
    ) -> tuple[Images, PerImage]:
        assert context is not None
        return x - 2 * context[:, 1:2], x.new_zeros(len(x))

    def inverse(self, z: Images, context: Images | None = None, call: Call = EVALUATION) -> Images:
        assert context is not None
        return z + 2 * context[:, 1:2]


def test_missing_pixels_are_drawn_from_the_density_of_the_class() -> None:
    whole = Level(IdentityTransform(), IdentityBijector(), KeepNothing(), Labelled(Shifted(), 2))
    flow = Flow((1, 2, 2), [whole], Affine()).double()
    right = torch.tensor([[False, True], [False, True]])
    found = inpaint(flow, images(2)[:, :, :2, :2], right, 60, seed=0, draws=200, labels=[1, 0]).images
    drawn = found[..., 1].flatten(1)
    assert kstest(drawn[0], "norm", (2.0, 1.0)).pvalue > 0.05
    assert kstest(drawn[1], "norm").pvalue > 0.05


def test_classes_that_do_not_exist_are_refused(flow: Flow) -> None:
    x = images()
    with pytest.raises(OptionError, match="no class 3"):
        interpolate(flow, x, x, labels=3)
    with pytest.raises(OptionError, match="3 images"):
        project(flow, x, 1, labels=[0, 1])
    with pytest.raises(OptionError, match="no class 7"):
        inpaint(flow, x, torch.arange(16).reshape(4, 4) < 8, labels=7)
