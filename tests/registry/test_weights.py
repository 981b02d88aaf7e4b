from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations

from flowzoo.errors import SavedModelError
from flowzoo.flow import Flow
from flowzoo.registry.models import create_model
from flowzoo.registry.saving import load_model, save_model
from flowzoo.registry.weights import weights_of

OPTIONS = {"levels": 1, "bijector": {"steps": 1}, "last": {"steps": 1, "network": {"hidden": 4}}}
X = torch.rand(8, 1, 4, 4, generator=torch.Generator().manual_seed(0))


def made(seed: int = 0, hidden: int = 4) -> Flow:
    flow = create_model(
        "wavelet-flow",
        (1, 4, 4),
        seed=seed,
        **{**OPTIONS, "last": {"steps": 1, "network": {"hidden": hidden}}},
    )
    flow.initialise([X])
    for parameter in flow.parameters():
        parameter.data += 0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(seed))
    return flow


def last_convolution(flow: Flow) -> nn.Conv2d:
    return [each for each in flow.modules() if isinstance(each, nn.Conv2d)][-1]


def test_an_untouched_model_has_its_state() -> None:
    flow = made()

    assert list(weights_of(flow)) == list(flow.state_dict())
    assert all(map(torch.equal, weights_of(flow).values(), flow.state_dict().values()))


def test_a_replaced_level_is_saved_as_it_computes(tmp_path: Path) -> None:
    flow, other = made(0), made(1)
    before = flow.log_prob(X)
    flow.levels[0] = other.levels[0]

    save_model(flow, tmp_path / "model")

    assert torch.equal(load_model(tmp_path / "model").log_prob(X), flow.log_prob(X))
    assert not torch.allclose(flow.log_prob(X), before)


def test_a_part_made_otherwise_is_refused(tmp_path: Path) -> None:
    flow = made()
    flow.levels[0] = made(hidden=5).levels[0]
    with pytest.raises(SavedModelError, match=r"has shape \(5, .* its recipe builds \(4, "):
        save_model(flow, tmp_path / "model")

    fewer = made()
    del fewer.levels[0].conditional.inner.inner.parts[0]
    with pytest.raises(SavedModelError, match="the model lacks 'levels"):
        save_model(fewer, tmp_path / "model")

    more = made()
    last_convolution(more).register_parameter("more", nn.Parameter(torch.zeros(1)))
    with pytest.raises(SavedModelError, match="more', which its recipe does not build"):
        save_model(more, tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_a_wrapped_layer_is_saved_or_refused(tmp_path: Path) -> None:
    flow = made()
    coupling = flow.levels[0].conditional.inner.inner.parts[2]
    coupling.network = nn.Sequential(coupling.network)
    with pytest.raises(SavedModelError, match="lacks 'levels"):
        save_model(flow, tmp_path / "model")


def test_of_a_parametrised_tensor_the_value_is_saved() -> None:
    flow = made()
    layer = last_convolution(flow)
    weight = layer.weight.detach().clone()
    parametrizations.spectral_norm(layer)
    layer.eval()

    found = weights_of(flow)

    (name,) = [name for name, each in found.items() if each.shape == weight.shape and "last" in name]
    torch.testing.assert_close(found[name], layer.weight.detach())
    assert not torch.allclose(found[name], weight)


def test_a_model_without_values_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SavedModelError, match="'meta'"):
        save_model(made().to("meta"), tmp_path / "model")
