"""The continuous flows at one resolution."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from flowzoo.api import BijectorSpec, Builder, Level, Shape, Spec, cascade

CnfOption = Annotated[BijectorSpec, Field(description="the flow over the whole image")]


def build_ffjord(
    image_shape: Shape,
    builder: Builder,
    *,
    bijector: CnfOption = Spec("cnf", blocks=2, objective="flow-matching"),
) -> list[Level]:
    """FFJORD: a continuous flow over the whole image, without regularisers.

    Trained by flow matching; the paper's training is ``bijector.objective=likelihood``.

    References:
        Grathwohl et al., "FFJORD: Free-form Continuous Dynamics for Scalable Reversible Generative Models",
        2019.
    """
    return _one_resolution(image_shape, builder, bijector)


def build_rnode(
    image_shape: Shape,
    builder: Builder,
    *,
    bijector: CnfOption = Spec(
        "cnf", blocks=2, objective="flow-matching+likelihood", kinetic=0.01, jacobian=0.01
    ),
) -> list[Level]:
    """RNODE: FFJORD with the kinetic energy and the Jacobian's norm kept small.

    Trained by flow matching, then by the regularised likelihood; the paper's training is
    ``bijector.objective=likelihood``.

    References:
        Finlay et al., "How to Train Your Neural ODE: the World of Jacobian and Kinetic Regularization", 2020.
    """
    return _one_resolution(image_shape, builder, bijector)


def _one_resolution(image_shape: Shape, builder: Builder, bijector: Spec) -> list[Level]:
    nothing = Spec("identity")
    return cascade(
        image_shape, builder, levels=1, transform=nothing, split=Spec("keep-nothing"), bijector=bijector
    )
