"""The probe of a model agrees with what the model computes by other means, and shows what has changed."""

from __future__ import annotations

import copy
from dataclasses import asdict, replace

import pytest
import torch
from torch import nn

from flowzoo.bijector import ConditionalBijector
from flowzoo.builtin.identity import IdentityBijector, IdentityTransform
from flowzoo.builtin.keep_nothing import KeepNothing
from flowzoo.call import EVALUATION
from flowzoo.component import Component
from flowzoo.flow import Flow
from flowzoo.level import Level
from flowzoo.registry.loader import default_registry
from flowzoo.registry.models import create_model
from flowzoo.registry.probe import WHOLE, Probe, deviation, images_of, take_probe
from flowzoo.testing import randomise

MODELS = default_registry().components("model")
DECIDED = {"lcma"}
"""Their splits are decided from scores, in training."""


def tiny(component: Component, **changes: object) -> Flow:
    options = {**component.check.options, **changes}
    flow = create_model(component.name, component.check.shape, seed=0, **options)
    generator = torch.Generator().manual_seed(0)
    data = torch.rand(64, *component.check.shape, generator=generator, dtype=torch.float64)
    flow.initialise([data])
    return flow


@pytest.fixture(params=[each for each in MODELS if each.name not in DECIDED], ids=lambda each: each.name)
def flow(request: pytest.FixtureRequest) -> Flow:
    flow = tiny(request.param)
    randomise(flow, 0)
    return flow


def test_rounding_alone_is_no_deviation_and_a_changed_level_is(flow: Flow) -> None:
    state = torch.get_rng_state()
    probe = take_probe(flow)
    assert probe.reason == ""
    assert torch.equal(torch.get_rng_state(), state)
    # Double precision errs by far more against single precision than one machine against another.
    wide = copy.deepcopy(flow).double()
    assert deviation(flow, probe) is None
    assert deviation(wide, probe) is None
    assert max(row.tolerance for row in probe.rows.values()) < 0.01

    last = len(flow.levels) - 1
    changed = copy.deepcopy(flow)
    part = changed.level(last).conditional
    original = part.forward
    part.forward = lambda *args, **more: _shifted(original(*args, **more))  # type: ignore[method-assign]
    found = deviation(changed, probe)
    assert found is not None
    assert found.row == f"the conditional of level {last}"
    assert found.now is not None
    dimensions = torch.Size(flow.latent_shapes[last]).numel()
    assert found.now - found.then == pytest.approx(-0.01 * dimensions / (dimensions * 0.693147), rel=0.05)


def _shifted(result: tuple[torch.Tensor, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    z, log_det = result
    return z, log_det + 0.01 * z[0].numel()


def test_the_values_are_the_model_s_own_bits_per_dimension() -> None:
    flow = tiny(default_registry().find("model", "glow"))
    probe = take_probe(flow)
    images = images_of(probe, flow)
    assert images.shape == (2, *flow.image_shape)
    # The noise is fixed; other noise gives nearly the same figure for a model that has not trained.
    expected = torch.stack(
        [
            flow.bits_per_dim(images, replace(EVALUATION, generator=torch.Generator().manual_seed(seed)))
            for seed in range(20)
        ]
    )
    values = torch.tensor(probe.rows[WHOLE].values)
    assert bool(((values - expected.mean(0)).abs() < 5 * expected.std(0)).all())


def test_a_probe_is_plain_data_and_the_same_every_time(flow: Flow) -> None:
    probe = take_probe(flow)
    assert take_probe(flow) == probe
    assert take_probe(copy.deepcopy(flow), images_of(probe, flow)) == probe
    assert all(isinstance(value, float) for row in probe.rows.values() for value in row.values)
    assert asdict(probe)["memory"] == probe.memory


@pytest.mark.parametrize("name", sorted(DECIDED))
def test_a_model_without_its_state_says_so(name: str) -> None:
    component = default_registry().find("model", name)
    probe = take_probe(create_model(name, component.check.shape, seed=0, **component.check.options))
    assert "has not seen the data" in probe.reason
    assert deviation(create_model("gaussian", (1, 2, 2)), probe) is None


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_has_a_wide_tolerance(dtype: torch.dtype) -> None:
    flow = tiny(default_registry().find("model", "glow"))
    probe = take_probe(flow.to(dtype))
    assert probe.reason or probe.rows[WHOLE].tolerance >= 0.02
    assert deviation(flow, probe) is None


class Odd(ConditionalBijector):
    """Scales; what else it does is given."""

    def __init__(self, forward: object = None, inverse: object = None, steep: float = 1.0) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(1.5))
        self.steep = steep
        self._act = forward or (lambda: None)
        self._undo = inverse or (lambda: None)

    def forward(self, x, context=None, call=EVALUATION):  # type: ignore[no-untyped-def]
        self._act()
        return x * self.scale * self.steep, (self.scale * self.steep).log().expand(len(x)) * x[0].numel()

    def inverse(self, z, context=None, call=EVALUATION):  # type: ignore[no-untyped-def]
        self._undo()
        return z / self.scale / self.steep


def odd(**changes: object) -> Flow:
    bijector = Odd(**changes)  # type: ignore[arg-type]
    return Flow(
        (1, 4, 4),
        [Level(IdentityTransform(), IdentityBijector(), KeepNothing(), bijector)],
        IdentityBijector(),
    )


def fail() -> None:
    raise RuntimeError("no way")


def test_a_model_that_cannot_be_sampled_is_probed_on_a_gradient_of_grey() -> None:
    flow = odd(inverse=fail)
    probe = take_probe(flow)
    assert probe.reason == ""
    assert len(images_of(probe, flow).unique()) > 4
    assert deviation(flow, probe) is None
    with torch.no_grad():
        flow.level(0).conditional.scale.mul_(1.001)
    assert deviation(flow, probe) is not None


def test_a_model_that_fails_says_why_and_is_not_judged() -> None:
    probe = take_probe(odd(forward=fail))
    assert probe == Probe("RuntimeError: no way")
    nan = odd()
    with torch.no_grad():
        nan.level(0).conditional.scale.fill_(float("nan"))
    assert take_probe(nan) == Probe("its log-likelihood is not finite")


def test_an_ill_conditioned_model_has_the_tolerance_that_it_needs() -> None:
    steep = odd(steep=1e4, inverse=fail)
    probe = take_probe(steep)
    assert probe.rows[WHOLE].values[0] > 1e5
    assert deviation(copy.deepcopy(steep).double(), probe) is None
    assert probe.rows[WHOLE].tolerance < 1e-4 * probe.rows[WHOLE].values[0]


def test_settings_around_do_not_matter_and_stay() -> None:
    flow = tiny(default_registry().find("model", "glow"))
    probe = take_probe(flow)
    torch.set_float32_matmul_precision("medium")
    try:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert take_probe(flow) == probe
            assert torch.is_autocast_enabled("cpu")
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision("highest")


def test_where_torch_draws_other_numbers_a_model_cannot_be_judged() -> None:
    flow = odd()
    probe = take_probe(flow)
    with torch.no_grad():
        flow.level(0).conditional.scale.mul_(1.1)
    assert deviation(flow, probe) is not None
    assert deviation(flow, replace(probe, draws=(0.5, *probe.draws[1:]))) is None


@pytest.mark.parametrize("bins", [2, 256, 257, 65536, 65537])
def test_images_of_any_depth_are_kept(bins: int) -> None:
    flow = create_model("gaussian", (3, 2, 5), bins=bins)
    images = torch.randint(0, bins, (2, 3, 2, 5), generator=torch.Generator().manual_seed(0))
    flow.initialise([torch.rand(100, 3, 2, 5, dtype=torch.float64)])
    assert torch.equal(images_of(take_probe(flow, images), flow), images)


def test_large_images_are_probed_by_one() -> None:
    flow = create_model("gaussian", (1, 33, 32))
    flow.initialise([torch.rand(4, 1, 33, 32, dtype=torch.float64)])
    assert len(images_of(take_probe(flow), flow)) == 1
