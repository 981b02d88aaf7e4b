"""A toy plugin with weights, for the tests that build and save models."""

from __future__ import annotations

import pytest

TOY = """
    from typing import Annotated
    from pydantic import Field
    from flowzoo.api import BijectorSpec, Check, Component, Spec, hookimpl

    flowzoo_api_version = 2

    @hookimpl
    def flowzoo_components():
        return [
            Component("model", "toy", "flowzoo_toy:build_toy", "Scales every value.", "Toy et al., 2024"),
            Component("bijector", "scale", "flowzoo_toy:build_scale", "Scales.", revision={revision}),
        ]

    def build_toy(shape, builder, *, bijector: BijectorSpec = Spec("scale", width=2)):
        from flowzoo.api import IdentityBijector, IdentityTransform, KeepNothing, Level
        conditional = builder.bijector(bijector, shape)
        return [Level(IdentityTransform(), IdentityBijector(), KeepNothing(), conditional)]

    def build_scale(shape, context_shape, builder, *, width: Annotated[int, Field(ge=1)] = 1):
        import torch
        from flowzoo.api import ConditionalBijector

        class Scale(ConditionalBijector):
            def __init__(self):
                super().__init__()
                self.log_scale = torch.nn.Parameter(torch.randn(width))
                self.shared = self.log_scale
                self.register_buffer("mask", torch.zeros(3, dtype=torch.bool))
                self.register_buffer("table", torch.arange(6.0).reshape(2, 3).T)
                self.register_buffer("scratch", torch.zeros(1), persistent=False)

            def forward(self, x, context=None, call=None):
                total = self.log_scale.sum()
                return x * total.exp(), (total * x[0].numel()).expand(len(x))

            def inverse(self, z, context=None, call=None):
                return z * (-self.log_scale.sum()).exp()

        return Scale()
"""


@pytest.fixture
def toy(install_plugin):
    """Install the toy plugin; call ``toy(revision=2, version="2.0")`` for another one."""

    def install(revision: int = 1, version: str = "1.0", source: str = TOY) -> None:
        install_plugin("flowzoo-toy", source.replace("{revision}", str(revision)), version)

    install()
    return install
