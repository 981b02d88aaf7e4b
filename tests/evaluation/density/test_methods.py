"""Whole, by level and rebuilt: the same verdicts, and the record says which it was."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import pytest
import torch

import flowzoo
from flowzoo.builtin.affine import Affine
from flowzoo.call import Call, per_image_generators
from flowzoo.data.dataset import ImageSource
from flowzoo.data.load import load_dataset
from flowzoo.dequantisation import dequantise
from flowzoo.evaluation.density import judge, verdict
from flowzoo.evaluation.density.jacobian import choose_derivative, log_abs_det
from flowzoo.evaluation.density.maps import Settings, Whole, parts_of
from flowzoo.evaluation.density.outcome import DensityAudit
from flowzoo.evaluation.density.rebuild import rebuild, smaller_sizes
from flowzoo.evaluation.likelihood import evaluate_likelihood
from flowzoo.flow import Flow
from flowzoo.perturbation import randomise
from flowzoo.registry.models import create_model
from tests.evaluation.density.planted import Coupling, Drawn, Mistake, drawing, flow_of, shrinking
from tests.evaluation.toy_solver import Pendulum, pendulum_flow

FIELD = {
    "blocks": 1,
    "network": {"name": "conv-field", "hidden": 4, "layers": 2},
    "evaluation_solver": "rk4",
    "evaluation_steps": 2,
}
RECIPES: dict[str, dict[str, Any]] = {
    "glow": {"levels": 2, "joint": {"steps": 1, "network": {"hidden": 4}}, "last": {"steps": 1}},
    "wavelet-flow": {"levels": 2},
    "gaussian": {},
    "mrcnf": {"levels": 2, "bijector": FIELD},
    "msflow-image": {"levels": 2, "bijector": FIELD},
}


def digits_flow(name: str) -> Flow:
    flow = flowzoo.create_model(name, (1, 8, 8), bins=17, pixels="affine", seed=0, **RECIPES[name])
    flow.initialise([dequantise(load_dataset("digits").split("train").take(range(256)), 17)])
    randomise(flow, 0)
    return flow


def audited(flow: Flow, **options: Any) -> DensityAudit:
    found = evaluate_likelihood(flow, load_dataset("digits").split("test"), limit=12, **options).density
    assert found is not None
    return found


def test_a_model_that_is_not_its_parts_is_not_judged_by_them(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = judge._add_up
    monkeypatch.setattr(
        judge, "_add_up", lambda x, maps, *rest: None if len(maps) == 1 else honest(x, maps, *rest)
    )
    source = load_dataset("digits").split("test")
    digits = Flow((1, 8, 8), list(shrinking().levels), Affine(2.0, -1.0), 17)
    found = evaluate_likelihood(digits, source, limit=4).density
    assert found is not None
    assert any("latents differ" in each for each in found.objections), found.objections


@pytest.mark.parametrize("conditional", [False, True])
def test_the_parts_add_up_to_the_whole(conditional: bool) -> None:
    _adds_up(flow_of(Coupling(), Coupling(odd=True), conditional=conditional))


def test_the_parts_of_a_model_that_draws_add_up_too() -> None:
    _adds_up(drawing(Drawn()))


def _adds_up(flow: Flow) -> None:
    flow.double().requires_grad_(False)
    x = torch.rand((2, 1, 4, 4), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    settings = Settings(per_image_generators(0, range(2)))
    whole = Whole(flow, x, settings)
    parts = list(parts_of(flow, x, settings, exact=False))
    for image in range(2):
        expected = log_abs_det(whole, image, choose_derivative(whole).way)
        found = sum(log_abs_det(part, image, choose_derivative(part).way) for part in parts)
        assert found == pytest.approx(expected, abs=1e-9)
        stated = sum(float(part.stated[image] + part.noise[image]) for part in parts)
        assert stated == pytest.approx(expected, abs=1e-9)
    latents = sum(part.latents for part in parts) - sum(part.noise for part in parts)
    assert torch.allclose(latents, whole.latents(), atol=1e-10)


def test_the_noise_is_that_of_the_model_s_own_pass() -> None:
    flow = drawing(Drawn()).double()
    x = torch.rand((2, 1, 4, 4), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    generators = per_image_generators(0, range(2))
    expected = flow.log_prob(x, Call(generator=tuple(each.clone_state() for each in generators)))
    assert torch.equal(Whole(flow, x, Settings(generators)).stated(exact=False, count=2), expected)


@pytest.mark.parametrize("name", RECIPES)
def test_every_kind_of_model_is_judged_rebuilt(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    flow = digits_flow(name)
    found = _rebuilt(flow, monkeypatch)
    weights = "perturbed" if name == "gaussian" else "trained"
    assert found.objections == ()
    assert found.method == f"rebuilt at 1x4x4 with {weights} weights"
    assert found.worst is not None
    assert found.worst < 1e-3
    # The model itself has been through every other check.
    assert found.round_trip is not None
    assert found.batch_error is not None
    assert found.derivative_error is not None


def _rebuilt(flow: Flow, monkeypatch: pytest.MonkeyPatch) -> DensityAudit:
    """Audit a model as if it were too large to be judged itself, and no size above 4x4 would do."""
    honest = judge.judge

    def impatient(judged: Flow, *rest: Any) -> Any:
        return None if judged.dimensions > 16 else honest(judged, *rest)

    monkeypatch.setattr(verdict, "judge", impatient)
    return audited(flow)


def test_trained_weights_are_those_that_are_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    flow = digits_flow("wavelet-flow")
    small = rebuild(flow, load_dataset("digits").split("test"), (4, 4), seed=0, trained=True)
    assert small is not None
    assert small.trained
    assert small.flow.image_shape == (1, 4, 4)
    trained = dict(flow.named_parameters())
    for name, value in small.flow.named_parameters():
        assert torch.equal(value, trained[name])


def test_sizes_that_a_recipe_refuses_are_passed_over() -> None:
    flow = digits_flow("glow")
    assert list(smaller_sizes(flow)) == [(side, side) for side in (7, 6, 5, 4, 3, 2)]
    for trained in (True, False):
        assert rebuild(flow, load_dataset("digits").split("test"), (7, 7), seed=0, trained=trained) is None


def test_sizes_of_oblong_images_can_be_halved_too() -> None:
    found = list(smaller_sizes(create_model("glow", (1, 12, 20), bins=17, seed=0, levels=1)))
    assert found[:3] == [(9, 15), (6, 10), (3, 5)]
    assert (8, 12) in found
    assert (4, 8) in found
    assert all(rows < 12 and columns < 20 for rows, columns in found)


def test_what_fits_is_taken_where_not_all_of_the_trained_weights_fit() -> None:
    flow = create_model("gaussian", (1, 8, 8), bins=17, seed=0)
    split = load_dataset("digits").split("test")
    flow.initialise(iter([dequantise(split.take(range(297)), 17)]))
    assert rebuild(flow, split, (4, 4), seed=0, trained=True) is None
    small = rebuild(flow, split, (4, 4), seed=0, trained=False)
    assert small is not None
    assert str(small) == "rebuilt at 1x4x4 with perturbed weights"


class Linear(NamedTuple):
    matrix: torch.Tensor

    @property
    def start(self) -> torch.Tensor:
        return self.matrix.new_zeros(1, len(self.matrix))

    @property
    def room(self) -> torch.Tensor:
        return self.matrix.new_ones(1, len(self.matrix))

    def __call__(self, rows: torch.Tensor, image: int) -> torch.Tensor:
        return rows @ self.matrix.T


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e9])
def test_values_of_very_different_size_are_no_sign_of_a_singular_jacobian(scale: float) -> None:
    sizes = torch.tensor([scale, 1.0, 1e-7], dtype=torch.float64)
    turn = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(0)).double())[0]
    expected = float(sizes.log().sum())
    found = log_abs_det(Linear(sizes[:, None] * turn), 0, "forward mode")
    assert found == pytest.approx(expected, abs=1e-9)
    assert log_abs_det(Linear(torch.ones(3, 3, dtype=torch.float64)), 0, "forward mode") == -math.inf


def test_a_part_that_fits_alone_is_judged_by_level(monkeypatch: pytest.MonkeyPatch) -> None:
    # As if the whole were a hundred times dearer than its parts.
    seconds = judge._seconds
    monkeypatch.setattr(
        judge, "_seconds", lambda each, way: seconds(each, way) * (1e6 if isinstance(each, Whole) else 1.0)
    )
    found = audited(digits_flow("mrcnf"))
    assert found.method == "by level"
    assert found.objections == ()


def test_a_model_without_recipe_and_time_cannot_be_audited() -> None:
    flow = flow_of(Coupling())
    data = load_dataset("digits").split("test").take(range(4))[..., :4, :4]

    class Few(ImageSource):
        def __len__(self) -> int:
            return len(data)

        def take(self, indices: Any) -> torch.Tensor:
            return data[list(indices)]

    found = evaluate_likelihood(flow, Few(), audit_seconds=1e-9).density
    assert found is not None
    assert not found.passed
    assert "could not be audited" in found.objections[0]
    assert "recipe" in found.objections[0]


def test_a_solver_that_errs_is_told_from_a_density_that_is_none() -> None:
    rough, _ = pendulum_flow(8.0)
    found = audited(rough)
    assert (found.steps, found.objections) == ("tight", ())
    assert found.worst is not None
    assert found.worst < 1e-9


def test_a_bad_budget_is_refused() -> None:
    with pytest.raises(flowzoo.errors.OptionError, match="seconds"):
        audited(flow_of(Coupling()), audit_seconds=math.inf)


def test_mistakes_are_found_by_level_too(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = judge._seconds
    monkeypatch.setattr(
        judge, "_seconds", lambda each, way: seconds(each, way) * (1e6 if isinstance(each, Whole) else 1.0)
    )
    from tests.evaluation.density.test_audit import audited as audit_noise

    found = audit_noise(flow_of(Coupling(Mistake(log_det=lambda right, x, _: -right))))
    assert found.method == "by level"
    assert "the sign is wrong" in found.objections[0]


@pytest.mark.parametrize("wrong", [False, True])
def test_a_rough_solver_s_round_trip_is_judged_on_tight_steps_even_without_time_for_all_images(
    wrong: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    flow, pendulum = pendulum_flow(2.0)
    if wrong:
        honest = pendulum.inverse
        monkeypatch.setattr(Pendulum, "inverse", lambda self, *given: honest(*given) + 0.1)
    found = audited(flow, audit_seconds=1e-9)
    refused = [each for each in found.objections if "decode does not invert encode" in each]
    assert bool(refused) == wrong
    assert found.round_trip is not None
    assert (found.round_trip > 0.01) == wrong
