"""What the kit has for plugins' own tests: mixtures, and stored log-likelihoods."""

from __future__ import annotations

import importlib
import json
import sys
import textwrap
from pathlib import Path

import pytest

from flowzoo.registry.loader import default_registry
from flowzoo.testing import cases_of, check_log_likelihoods, mixtures_of
from flowzoo.testing.result import CheckFailed

SOURCE = """
    import torch
    from torch import nn
    from typing import Literal
    from flowzoo.api import EVALUATION, Check, Component, ConditionalBijector, OptionError, hookimpl

    flowzoo_api_version = 2

    @hookimpl
    def flowzoo_components():
        check = Check(shape=(2, 2, 4), context_shape=(1, 2, 4))
        build = "flowzoo_scales:build"
        return [Component("bijector", "scale", build, "Scales", check=check, revision=REVISION)]

    class Scale(ConditionalBijector):
        def __init__(self, by):
            super().__init__()
            self.s = nn.Parameter(torch.tensor(START))
            self.by = by

        def forward(self, x, context=None, call=EVALUATION):
            s = self._s(x, context)
            return x * s.exp()[:, None, None, None], s * x[0].numel()

        def inverse(self, z, context=None, call=EVALUATION):
            return z / self._s(z, context).exp()[:, None, None, None]

        def _s(self, x, context):
            s = self.s.expand(len(x)) * self.by
            return s if context is None else s + context.mean((1, 2, 3))

    def build(shape, context_shape, builder, *, by: Literal[1, 2] = 1):
        BUILD
        return Scale(by)
"""


def source(revision: int = 1, start: float = 0.3, build: str = "pass") -> str:
    return SOURCE.replace("REVISION", str(revision)).replace("START", str(start)).replace("BUILD", build)


def test_a_mixture_is_tried_in_each_place_with_each_literal_option(install_plugin) -> None:
    install_plugin("flowzoo-scales", source())
    mixtures = mixtures_of("flowzoo-scales")
    assert [str(each) for each in mixtures] == [
        "bijector-scale-bijector",
        "bijector-scale-bijector-by=2",
        "bijector-scale-joint",
        "bijector-scale-joint-by=2",
    ]
    for each in mixtures:
        each.check()


def test_a_mistake_without_a_context_is_found_in_mixtures(install_plugin) -> None:
    install_plugin("flowzoo-scales", source(build="assert context_shape is not None"))
    (log_det,) = [case for case in cases_of("flowzoo-scales") if case.name == "log-det"]
    log_det.check()  # the kit tries it with a context only, as its Check says
    with pytest.raises(AssertionError):
        mixtures_of("flowzoo-scales")[0].check()


def test_a_component_that_every_mixture_refuses_is_found(install_plugin) -> None:
    install_plugin("flowzoo-scales", source(build="raise OptionError('not today')"))
    with pytest.raises(CheckFailed, match="not today"):
        mixtures_of("flowzoo-scales")[0].check()


def test_a_change_is_found_until_the_revision_rises(install_plugin, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    file = tmp_path / "log_likelihoods.json"
    install_plugin("flowzoo-scales", source())
    check_log_likelihoods("flowzoo-scales", file)
    first = file.read_bytes()
    check_log_likelihoods("flowzoo-scales", file)
    assert file.read_bytes() == first
    stored = json.loads(first)["bijector scale"]
    assert stored["revision"] == 1
    assert "log-likelihood" in next(iter(stored["figures"].values()))

    replaced(source(start=0.31), tmp_path)
    with pytest.raises(CheckFailed, match=r"bijector scale .* revision"):
        check_log_likelihoods("flowzoo-scales", file)
    assert file.read_bytes() == first

    replaced(source(start=0.31, revision=2), tmp_path)
    monkeypatch.setenv("CI", "true")
    with pytest.raises(CheckFailed, match="commit"):
        check_log_likelihoods("flowzoo-scales", file)
    monkeypatch.delenv("CI")
    check_log_likelihoods("flowzoo-scales", file)
    assert json.loads(file.read_bytes())["bijector scale"]["revision"] == 2

    replaced(source(), tmp_path)
    with pytest.raises(CheckFailed, match="lower"):
        check_log_likelihoods("flowzoo-scales", file)


def replaced(text: str, folder: Path) -> None:
    """Replace the source of the installed plugin."""
    (folder / "site-packages" / "flowzoo_scales.py").write_text(textwrap.dedent(text))
    sys.modules.pop("flowzoo_scales")
    importlib.invalidate_caches()
    default_registry.cache_clear()
