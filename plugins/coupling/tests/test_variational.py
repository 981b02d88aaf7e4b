import math

import pytest
import scipy.stats
import torch

import flowzoo
from flowzoo.api import Call, Flow, IdentityBijector, OptionError
from flowzoo.testing import randomise
from flowzoo_coupling.variational import SPREAD, Variational

NOISE = {"name": "variational", "bijector": {"checkerboard": 2, "network": {"hidden": 4}}}
COUPLINGS = {"checkerboard": 2, "channel": 0, "network": {"hidden": 4, "blocks": 0}}
SMALL = {"levels": 1, "last": {**COUPLINGS, "weight_scale_penalty": 0.0}}


def integers(count: int = 32, size: int = 4) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 17, (count, 1, size, size), generator=generator, dtype=torch.uint8)


def small_model(pixels: str, dequantisation: object = NOISE) -> Flow:
    model = flowzoo.create_model(
        "realnvp", (1, 4, 4), bins=17, pixels=pixels, seed=0, dequantisation=dequantisation, **SMALL
    ).double()
    model.initialise([integers()])
    randomise(model, 0)
    return model


def test_without_a_flow_it_is_logit_normal() -> None:
    call = Call(generator=torch.Generator().manual_seed(0))
    u, log_q = Variational(IdentityBijector())(torch.zeros((500, 1, 1, 1), dtype=torch.uint8), 256, call)

    u = u.flatten()
    y = torch.logit(u)
    expected = scipy.stats.norm.logpdf(y.numpy(), scale=SPREAD) - (u.log() + (-u).log1p()).numpy()
    assert torch.allclose(log_q, torch.from_numpy(expected), atol=1e-6)


def test_log_q_is_finite_where_the_sigmoid_rounds_to_its_ends() -> None:
    class Far(Call):
        def normal(self, like: torch.Tensor) -> torch.Tensor:
            return torch.tensor([-60.0, 60.0], dtype=like.dtype).reshape(like.shape)

    u, log_q = Variational(IdentityBijector())(torch.zeros((2, 1, 1, 1), dtype=torch.uint8), 256, Far())

    assert bool(((u >= 0) & (u <= 1)).all())
    y = 60.0 * SPREAD
    expected = -0.5 * 60.0**2 - 0.5 * math.log(2 * math.pi) - math.log(SPREAD) + y
    assert log_q.tolist() == pytest.approx([expected, expected])


@pytest.mark.parametrize("pixels", ["affine", "logit"])
def test_training_minimises_the_bound_itself(pixels: str) -> None:
    """The pixels' log_det is part of the loss: under a logit it depends on the noise."""
    model = small_model(pixels)
    parameters = list(model.parameters())

    loss = model.training_loss(integers(), generator=torch.Generator().manual_seed(1))
    bound = model.bits_per_dim(integers(), Call(generator=torch.Generator().manual_seed(1))).mean()

    assert float((loss + math.log2(17) - bound).detach()) == pytest.approx(0.0, abs=1e-9)
    found, expected = torch.autograd.grad(loss, parameters), torch.autograd.grad(bound, parameters)
    assert all(torch.allclose(a, b, atol=1e-9) for a, b in zip(found, expected, strict=True))
    assert all(
        bool(each.any())
        for each in torch.autograd.grad(
            model.bits_per_dim(integers()).mean(), list(model.dequantisation.parameters())
        )
    )


def test_penalties_of_its_flow_are_part_of_the_loss() -> None:
    noise = {"name": "variational", "bijector": {"network": {"name": "residual-conv", "hidden": 4}}}
    losses = []
    for weight in (0.0, 0.1):
        noise["bijector"]["weight_scale_penalty"] = weight  # type: ignore[index]
        model = small_model("affine", noise)
        loss = model.training_loss(integers(), generator=torch.Generator().manual_seed(1))
        losses.append(float(loss.detach()))
    assert losses[1] > losses[0] + 0.1


def test_a_flow_that_starts_from_data_sees_them_in_the_first_pass() -> None:
    model = small_model("affine", {"name": "variational", "bijector": {"name": "glow", "steps": 1}})

    assert model.bits_per_dim(integers()).isfinite().all()


def test_noise_of_an_image_does_not_depend_on_its_batch() -> None:
    model = small_model("logit")
    whole = model.bits_per_dim(integers(), indices=range(32))
    alone = model.bits_per_dim(integers()[5:7], indices=[5, 6])

    assert torch.allclose(whole[5:7], alone, atol=1e-9)


def test_trained_noise_beats_uniform_noise() -> None:
    """A normal density as wide as the bin: noise near its middle is up to 0.13 bits/dim better."""
    images = torch.full((64, 1, 4, 4), 8, dtype=torch.uint8)
    models = [
        flowzoo.create_model("realnvp", (1, 4, 4), bins=17, pixels="affine", dequantisation=noise, **SMALL)
        for noise in (NOISE, "uniform")
    ]
    for model in models:
        model.initialise([images])
    optimiser = torch.optim.Adam(models[0].dequantisation.parameters(), lr=0.02)
    generator = torch.Generator().manual_seed(1)
    for _ in range(60):
        optimiser.zero_grad()
        models[0].training_loss(images, generator=generator).backward()
        optimiser.step()

    with torch.no_grad():
        trained, uniform = (model.bits_per_dim(images, indices=range(64)).mean() for model in models)
    assert float(trained) < float(uniform) - 0.05


def test_flows_that_solve_or_train_on_something_else_are_refused() -> None:
    for bijector in ("cnf", "logit"):
        noise = {"name": "variational", "bijector": bijector}
        with pytest.raises(OptionError, match="closed form"):
            flowzoo.create_model("gaussian", (1, 4, 4), dequantisation=noise)


def test_it_does_not_train_with_flow_matching() -> None:
    with pytest.raises(OptionError, match="dequantisation=uniform"):
        flowzoo.create_model("mrcnf", (1, 4, 4), levels=1, dequantisation="variational")
