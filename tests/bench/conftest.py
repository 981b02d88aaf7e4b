from __future__ import annotations

import importlib
import os
import shutil
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from flowzoo.registry.loader import RESTRICTION, default_registry

PLANTED = Path(__file__).parents[2] / "benchmarks" / "audit" / "planted"

PLUGIN = """
    from flowzoo.api import Check, Component, hookimpl

    flowzoo_api_version = 2

    def _model(name):
        build = "flowzoo_odd.models:build_" + name
        return Component(kind="model", name="odd-" + name, build=build, summary="Odd: " + name)

    def _metric(name):
        build = "flowzoo_odd.metrics:build_" + name
        return Component(kind="metric", name="odd-" + name, build=build, summary="Odd: " + name)

    def _suite(name):
        build = "flowzoo_odd.models:build_" + name
        return Component(kind="suite", name="odd-" + name, build=build, summary="Odd: " + name)

    @hookimpl
    def flowzoo_components():
        names = ("good", "raises", "hangs", "nan", "exits", "unbuildable", "unbuilt", "unsampled")
        return [
            *map(_model, names),
            *map(_metric, ("raises", "refuses", "exits", "forks", "dies")),
            _suite("suite"),
            _suite("rubbish"),
        ]
"""

MODELS = """
    import os
    import time

    import torch

    from flowzoo.api import (
        EVALUATION, ConditionalBijector, IdentityBijector, IdentityTransform, KeepNothing, Level
    )

    class Scaled(ConditionalBijector):
        def __init__(self, shape, odd):
            super().__init__()
            self.log_scale = torch.nn.Parameter(torch.zeros(shape))
            self.odd = odd

        def forward(self, x, context=None, call=EVALUATION):
            if self.odd is not None and call.training:
                self.odd()
            z = x * self.log_scale.exp()
            if self.odd is None and os.environ.get("ODD_SLOW"):
                time.sleep(float(os.environ["ODD_SLOW"]))
            return z, self.log_scale.sum().expand(len(x))

        def inverse(self, z, context=None, call=EVALUATION):
            return z * (-self.log_scale).exp()

    class Nan(Scaled):
        def forward(self, x, context=None, call=EVALUATION):
            z, log_det = super().forward(x, context, call)
            return z, log_det + float("nan")

    class Unsampled(Scaled):
        def inverse(self, z, context=None, call=EVALUATION):
            raise RuntimeError("no way back")

    def _levels(bijector, shape):
        return [Level(IdentityTransform(), IdentityBijector(), KeepNothing(), bijector)]

    def build_good(shape, builder):
        return _levels(Scaled(shape, None), shape)

    def build_raises(shape, builder):
        def odd():
            raise KeyError("lost on the way")
        return _levels(Scaled(shape, odd), shape)

    def build_hangs(shape, builder):
        return _levels(Scaled(shape, lambda: time.sleep(10_000)), shape)

    def build_nan(shape, builder):
        return _levels(Nan(shape, None), shape)

    def build_exits(shape, builder):
        def odd():
            print("about to leave", flush=True)
            os._exit(7)
        return _levels(Scaled(shape, odd), shape)

    def build_unbuildable(shape, builder):
        raise ValueError("nothing to build it of")

    def build_unbuilt(shape, builder):
        time.sleep(10_000)

    def build_unsampled(shape, builder):
        return _levels(Unsampled(shape, None), shape)

    def build_suite():
        return {
            "summary": "An odd suite",
            "models": ["odd-good"],
            "data": ["digits"],
            "budget": {"steps": 3},
            "metrics": ["parameters"],
        }

    def build_rubbish():
        return 3
"""

METRICS = """
    import os
    import subprocess
    import sys
    import threading
    import time

    from flowzoo.api import DataError, Measurement, Metric

    class Odd(Metric):
        def __init__(self, act):
            self.act = act

        def measure(self, trained):
            self.act()
            return Measurement(1.0, unit="")

    def build_raises():
        def act():
            raise RuntimeError("nothing to measure")
        return Odd(act)

    def build_refuses():
        def act():
            if not os.path.exists(os.environ["ODD_MENDED"]):
                raise DataError("weights are missing; fetch them")
        return Odd(act)

    def build_exits():
        return Odd(lambda: sys.exit(3))

    def build_dies():
        return Odd(lambda: os.kill(os.getpid(), 9))

    def build_forks():
        def act():
            subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
            threading.Thread(target=time.sleep, args=(300,)).start()
        return Odd(act)
"""


@pytest.fixture
def odd_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Install a plugin whose models misbehave, for this process and for those that it starts."""
    site = tmp_path / "site"
    package = site / "flowzoo_odd"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "plugin.py").write_text(textwrap.dedent(PLUGIN))
    (package / "models.py").write_text(textwrap.dedent(MODELS))
    (package / "metrics.py").write_text(textwrap.dedent(METRICS))
    info = site / "flowzoo_odd-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: flowzoo-odd\nVersion: 0.1.0\n")
    (info / "entry_points.txt").write_text("[flowzoo]\nodd = flowzoo_odd.plugin\n")
    monkeypatch.syspath_prepend(site)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv(RESTRICTION, "odd")
    importlib.invalidate_caches()
    default_registry.cache_clear()
    yield site
    default_registry.cache_clear()
    for name in [name for name in sys.modules if name.startswith("flowzoo_odd")]:
        del sys.modules[name]


@pytest.fixture
def planted_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Install the plugin for this process and for those that it starts, beside the couplings' and fields'."""
    site = tmp_path / "site"
    shutil.copytree(PLANTED / "flowzoo_planted", site / "flowzoo_planted")
    info = site / "flowzoo_planted-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: flowzoo-planted\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[flowzoo]\nplanted = flowzoo_planted.plugin\n")
    monkeypatch.syspath_prepend(site)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv(RESTRICTION, "planted,coupling,cnf")
    importlib.invalidate_caches()
    default_registry.cache_clear()
    yield
    default_registry.cache_clear()
    for name in [name for name in sys.modules if name.startswith("flowzoo_planted")]:
        del sys.modules[name]
