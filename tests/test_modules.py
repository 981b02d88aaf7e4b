"""Every registered component computes from its parameters, buffers and submodules alone, as modules do."""

from __future__ import annotations

import copy
import io
import pickle
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from flowzoo.call import Call
from flowzoo.component import Component, Kind
from flowzoo.errors import NumericalError
from flowzoo.registry.loader import default_registry
from flowzoo.registry.saving import load_model, save_model
from flowzoo.solving import Solving
from flowzoo.testing import randomise, trial_of
from flowzoo.testing.bijectors import Bijector
from flowzoo.testing.dequantisations import Noise
from flowzoo.testing.draws import Draws
from flowzoo.testing.models import Model
from flowzoo.testing.networks import Net
from flowzoo.testing.splits import Split
from flowzoo.testing.subject import Subject
from flowzoo.testing.transforms import Transform

SUBJECTS: dict[Kind, type[Subject]] = {
    "transform": Transform,
    "bijector": Bijector,
    "split": Split,
    "network": Net,
    "dequantisation": Noise,
    "model": Model,
}
COMPONENTS = [each for kind in SUBJECTS for each in default_registry().components(kind)]
MODELS = [each for each in COMPONENTS if each.kind == "model"]

REGISTRIES = ("_parameters", "_buffers", "_modules")


def named(component: Component) -> str:
    return f"{component.kind}-{component.name}"


every_component = pytest.mark.parametrize("component", COMPONENTS, ids=named)
every_model = pytest.mark.parametrize("component", MODELS, ids=named)


def ready(component: Component, seed: int = 0) -> Subject:
    return SUBJECTS[component.kind].ready(trial_of(component.kind, component.name), seed)


def computed(subject: Subject) -> dict[str, Tensor]:
    return subject.evaluate(subject.images(), subject.context(), Draws())


def reached(value: Any, seen: set[int], depth: int = 6) -> Iterator[object]:
    """Yield the modules and tensors that a value leads to, through containers, objects and functions."""
    if id(value) in seen or not depth or isinstance(value, type):
        return
    seen.add(id(value))
    if isinstance(value, nn.Module | Tensor):
        yield value
        return
    further: list[object] = []
    if isinstance(value, dict):
        further += [*value, *value.values()]
    elif isinstance(value, list | tuple | set | frozenset):
        further += value
    further += [cell.cell_contents for cell in getattr(value, "__closure__", None) or ()]
    further += [getattr(value, name, None) for name in ("__self__", "func", "args", "keywords")]
    further += list(getattr(value, "__dict__", {}).values())
    for each in further:
        yield from reached(each, seen, depth - 1)


def hidden(root: nn.Module) -> list[str]:
    """Return the attributes through which modules or tensors are reached other than as torch keeps them."""
    return [
        f"{path or type(root).__name__}.{name}"
        for path, module in root.named_modules()
        for name, value in vars(module).items()
        if name not in REGISTRIES and any(True for _ in reached(value, set()))
    ]


@every_component
def test_modules_and_tensors_are_registered(component: Component) -> None:
    trial = trial_of(component.kind, component.name)
    subject = SUBJECTS[component.kind](trial.build(), trial)
    subject.first_pass()

    assert hidden(subject.module) == []
    computed(subject)
    subject.objectives(subject.images(), subject.context(), Draws(mode="train"))
    assert hidden(subject.module) == []


@pytest.mark.parametrize(
    "keep",
    [
        lambda part: (part,),
        lambda part: {"part": [part]},
        lambda part: lambda x: part(x),
        lambda part: part.forward,
        lambda part: part.weight,
    ],
)
def test_a_hidden_module_is_found(keep: Any) -> None:
    root = nn.Sequential(nn.Linear(2, 2))
    root[0].__dict__["aside"] = keep(nn.Linear(2, 2))

    assert hidden(root) == ["0.aside"]


@every_component
def test_each_submodule_is_computed_from_wherever_it_is_replaced(
    component: Component, as_users_run_it: None
) -> None:
    subject = ready(component)
    whole = subject.module
    before = computed(subject)
    for path in one_of_each_kind(whole):
        parent, _, name = path.rpartition(".")
        module = whole.get_submodule(path)
        other = copy.deepcopy(module)
        randomise(other, seed=1)
        subject.module = copy.deepcopy(whole)
        subject.module.get_submodule(path).load_state_dict(other.state_dict())
        expected = computed(subject)
        subject.module = whole
        put(whole.get_submodule(parent), name, other)
        found = computed(subject)
        put(whole.get_submodule(parent), name, module)

        assert all(torch.equal(found[what], expected[what]) for what in expected), path
        assert any(not torch.equal(found[what], before[what]) for what in before), path


def one_of_each_kind(root: nn.Module) -> list[str]:
    """Return paths of submodules with parameters: of those of one class in one class's place, the last."""
    found: dict[tuple[type, type, str], str] = {}
    for path, module in root.named_modules():
        parent, _, name = path.rpartition(".")
        if path and any(True for _ in module.parameters()):
            found[type(module), type(root.get_submodule(parent)), name.strip("0123456789")] = path
    return list(found.values())


def put(parent: nn.Module, name: str, module: nn.Module) -> None:
    if isinstance(parent, nn.ModuleList):
        parent[int(name)] = module
    else:
        setattr(parent, name, module)


def replica_of(root: nn.Module, fill: float) -> nn.Module:
    """Return what torch.nn.parallel.replicate makes of a module, on the same device, with other weights."""
    modules = list(root.modules())
    places = {module: place for place, module in enumerate(modules)}
    replicas = [module._replicate_for_data_parallel() for module in modules]
    for module, replica in zip(modules, replicas, strict=True):
        for name, child in module._modules.items():
            replica._modules[name] = None if child is None else replicas[places[child]]
        for name, parameter in module._parameters.items():
            setattr(replica, name, None if parameter is None else torch.full_like(parameter, fill).detach())
    return replicas[0]


@every_component
def test_a_replica_computes_with_its_own_weights(component: Component) -> None:
    subject = ready(component)
    if not any(True for _ in subject.module.parameters()):
        return  # nothing to replicate: all state is in buffers
    before = computed(subject)
    subject.module = replica_of(subject.module, float("nan"))

    try:
        found = computed(subject)
    except NumericalError:
        return  # a solver met the NaNs
    feels = [what for what in found if bool(found[what].isnan().all())]
    assert feels or component.kind == "transform", f"none of {list(before)} is made of the replica's weights"


@every_component
def test_copies_and_other_processes_get_what_computes_the_same(component: Component) -> None:
    subject = ready(component)
    subject.objectives(subject.images(), subject.context(), Draws(mode="train"))
    expected = computed(subject)
    file = io.BytesIO()
    torch.save(subject.module.state_dict(), file)
    file.seek(0)
    loaded = copy.deepcopy(subject.module)
    randomise(loaded, seed=1)
    loaded.load_state_dict(torch.load(file, weights_only=True))
    visited: list[nn.Module] = []
    subject.module.apply(visited.append)

    assert set(visited) == set(subject.module.modules())
    for module in (
        copy.deepcopy(subject.module),
        pickle.loads(pickle.dumps(subject.module)),
        loaded,
        subject.module.share_memory(),
    ):
        other = copy.copy(subject)
        other.module = module
        for what, value in computed(other).items():
            assert torch.equal(value, expected[what])


@every_model
def test_weight_normalised_layers_compute_train_and_are_saved(component: Component, tmp_path: Any) -> None:
    model = ready(component)
    layers = [each for each in model.module.modules() if isinstance(each, nn.Conv2d | nn.Linear)]
    x, call = model.images(), Draws().call()
    expected = model.module.log_prob(x, call)
    for layer in layers:
        parametrizations.weight_norm(layer)

    torch.testing.assert_close(model.module.log_prob(x, Draws().call()), expected)
    loss = torch.stack(model.module.loss(x, Draws(mode="train").call())).sum()
    if layers:
        loss.backward()
        assert all(layer.parametrizations.weight.original0.grad is not None for layer in layers)
    save_model(model.module, tmp_path / "model")
    torch.testing.assert_close(load_model(tmp_path / "model").log_prob(x, Draws().call()), expected)


@every_model
def test_the_model_is_called_as_log_prob_is(component: Component) -> None:
    model = ready(component)
    x = model.images()
    outputs: list[Tensor] = []
    model.module.register_forward_hook(lambda module, arguments, output: outputs.append(output))

    found = model.module(x, Call(solver=Solving(exact=True)))

    torch.testing.assert_close(found, model.module.log_prob(x, Call(solver=Solving(exact=True))))
    assert outputs == [found]
