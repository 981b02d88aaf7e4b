import copy
from typing import Any

import pytest
import torch
from torch import nn

from flowzoo.bijector import ConditionalBijector
from flowzoo.builtin.actnorm import ActNorm
from flowzoo.builtin.affine import Affine
from flowzoo.builtin.identity import IdentityBijector, IdentityTransform
from flowzoo.builtin.keep_nothing import KeepNothing
from flowzoo.builtin.logit import Logit
from flowzoo.builtin.stack import Stack
from flowzoo.call import Call
from flowzoo.errors import FlowzooError, OptionError, PartError
from flowzoo.flow import Flow
from flowzoo.level import Level
from flowzoo.part_list import PartList
from tests.toys import OtherLoss


class Forwarding(nn.Module):
    """A wrapper that has all that it does not have itself from what it wraps."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__("module"), name)

    def forward(self, *arguments: Any, **named: Any) -> Any:
        return self.module(*arguments, **named)


class Closed(nn.Module):
    """A wrapper that forwards calls alone."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, *arguments: Any, **named: Any) -> Any:
        return self.module(*arguments, **named)


def level(conditional: ConditionalBijector | None = None) -> Level:
    return Level(IdentityTransform(), IdentityBijector(), KeepNothing(), conditional or Affine(2.0))


def flow() -> Flow:
    return Flow((1, 2, 2), [level()], Affine())


def parts() -> PartList[ConditionalBijector]:
    return PartList([Affine(2.0), Affine(3.0), Affine(5.0)], ConditionalBijector)


def scales(found: PartList[ConditionalBijector]) -> list[float]:
    return [part.scale for part in found if isinstance(part, Affine)]


def test_it_is_an_ordinary_list_of_modules() -> None:
    found = parts()
    found[1] = Affine(7.0)
    found.append(Affine(11.0))
    found.insert(0, Affine(1.0))
    del found[1]
    found += [Affine(13.0)]

    assert scales(found) == [1.0, 7.0, 5.0, 11.0, 13.0]
    assert scales(found) == [part.scale for part in reversed(list(reversed(found)))]
    assert [each.scale for each in found[1:3]] == [7.0, 5.0]
    assert scales(copy.deepcopy(found)) == scales(found)
    assert list(found.state_dict()) == list(nn.ModuleList(found).state_dict())
    assert repr(found).startswith("ModuleList(")


@pytest.mark.parametrize(
    "put",
    [
        lambda found, part: found.append(part),
        lambda found, part: found.extend([part]),
        lambda found, part: found.insert(0, part),
        lambda found, part: found.__setitem__(0, part),
        lambda found, part: found.__setitem__(-1, part),
        lambda found, part: found.__iadd__([part]),
        lambda found, part: PartList([part], ConditionalBijector),
    ],
)
@pytest.mark.parametrize("part", [nn.Linear(1, 1), Closed(Affine()), IdentityTransform(), None, "affine"])
def test_other_modules_are_refused_in_one_line(put: Any, part: Any) -> None:
    with pytest.raises(PartError, match="where it takes a ConditionalBijector") as refusal:
        put(parts(), part)

    assert "\n" not in str(refusal.value)
    assert isinstance(refusal.value, FlowzooError)


def test_what_forwards_all_of_an_interface_is_taken_and_computed_from() -> None:
    model, x = flow(), torch.rand(2, 1, 2, 2)
    other = flow()
    other.levels[0].conditional = Forwarding(Affine(3.0))
    model.levels[0] = Forwarding(level(Affine(3.0)))

    assert model.separable
    assert model.latent_shapes == other.latent_shapes
    assert torch.equal(model(x), Flow((1, 2, 2), [level(Affine(3.0))], Affine())(x))
    assert torch.equal(model(x), other(x))
    assert torch.equal(model.sample(2, seed=0), other.sample(2, seed=0))


@pytest.mark.parametrize("name", ["transform", "joint", "split", "conditional"])
def test_a_level_refuses_other_parts_whenever_they_come(name: str) -> None:
    found = level()
    for part in (None, nn.Identity(), Closed(getattr(found, name)), level()):
        with pytest.raises(PartError, match="a level got a "):
            setattr(found, name, part)


def test_a_level_refuses_a_bijector_of_a_smaller_domain_whenever_it_comes() -> None:
    found = level()
    for name in ("joint", "conditional"):
        with pytest.raises(OptionError, match="takes those of"):
            setattr(found, name, Logit())


def test_a_stack_is_what_its_parts_are() -> None:
    stack = Stack([Affine(), Affine()])
    stack.parts[0] = Logit()
    stack.parts[1] = OtherLoss()

    assert not stack.traits.takes_all_reals
    assert not stack.traits.loss_is_likelihood
    stack.parts.insert(0, ActNorm(1))
    with pytest.raises(OptionError, match="would get no gradient"):
        stack.loss(torch.rand(2, 1, 2, 2), None, Call(mode="train"))


def test_a_flow_refuses_to_train_what_replaced_parts_leave_without_a_gradient() -> None:
    model = flow()
    model.levels[0].joint = ActNorm(1)
    model.levels[0].conditional = OtherLoss()

    with pytest.raises(OptionError, match="would get no gradient"):
        model.loss(torch.rand(2, 1, 2, 2), Call(mode="train"))
