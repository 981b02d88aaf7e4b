"""Plugins that others publish as wheels work, or fail alone, in a fresh environment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import textwrap
import venv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]

HOOK = """
    from flowzoo.api import Check, Component, hookimpl

    flowzoo_api_version = 2

    @hookimpl
    def flowzoo_components():
        return [{components}]
"""

BLUR = (
    HOOK.format(
        components="""
            Component(
                kind="bijector",
                name="blur",
                build="flowzoo_blur:build_blur",
                summary="Shift and scale per value.",
            ),
            Component(
                kind="model",
                name="blur-cascade",
                build="flowzoo_blur:build_cascade",
                summary="Haar cascade whose details are shifted and scaled.",
                check=Check(shape=(1, 4, 4), options={"levels": 2}),
            ),
        """
    )
    + """
    from typing import Annotated

    from pydantic import Field

    from flowzoo.api import BijectorSpec, Spec

    def build_blur(shape, context_shape, builder, *, start: Annotated[float, Field(ge=-1, le=1)] = 0.0):
        import torch
        from flowzoo.api import EVALUATION, ConditionalBijector

        class Blur(ConditionalBijector):
            def __init__(self):
                super().__init__()
                self.shift = torch.nn.Parameter(torch.full(shape, start))
                self.log_scale = torch.nn.Parameter(torch.zeros(shape))

            def forward(self, x, context=None, call=EVALUATION):
                return (x + self.shift) * self.log_scale.exp(), self.log_scale.sum().expand(len(x))

            def inverse(self, z, context=None, call=EVALUATION):
                return z * (-self.log_scale).exp() - self.shift

        return Blur()

    def build_cascade(
        shape,
        builder,
        *,
        levels: Annotated[int, Field(ge=1, description="How many resolutions")] = 2,
        bijector: BijectorSpec = Spec("blur"),
    ):
        from flowzoo.api import CascadeOptions, cascade_model
        options = CascadeOptions(
            levels=levels,
            transform=Spec("haar"),
            split=Spec("keep-first-channels"),
            bijector=bijector,
        )
        return cascade_model(shape, builder, options=options)
"""
)


def one_model(name: str) -> str:
    return HOOK.format(components=f'Component("model", "{name}", "nowhere:build", "A model.")')


BAD = {
    "flowzoo-import": "import a_module_that_is_not_there",
    "flowzoo-raises": HOOK.format(components="1 / 0"),
    "flowzoo-exits": "import sys\nsys.exit('enough')",
    "flowzoo-rubbish": HOOK.format(components="'a string'"),
    "flowzoo-misspelt": one_model("misspelt").replace("flowzoo_components", "flowzoo_component"),
    "flowzoo-outdated": one_model("outdated").replace("version = 2", "version = 99"),
    "flowzoo-slow": "import torch\n" + textwrap.dedent(one_model("slow")),
    "flowzoo-twin-a": one_model("twin"),
    "flowzoo-twin-b": one_model("twin"),
}


def test_a_published_plugin_is_listed_checked_and_trained(tmp_path):
    environment = make_environment(tmp_path, {"flowzoo-blur": BLUR})
    where = environment.python("import flowzoo; print(flowzoo.__file__)").stdout
    assert where.startswith(str(tmp_path)), "the built wheel is tested, not the source tree"

    plugins = environment.flowzoo("plugins", "--json", "--strict")
    assert [each["distribution"] for each in json.loads(plugins.stdout)] == ["flowzoo", "flowzoo-blur"]

    listing = environment.flowzoo("list")
    assert "blur-cascade" in listing.stdout
    assert listing.stderr == ""

    check = environment.flowzoo("check", "blur-cascade")
    assert check.returncode == 0, check.stdout
    check = environment.flowzoo("check", "blur")
    assert check.returncode == 0, check.stdout

    call = tmp_path / "run"
    command = ("train", "blur-cascade", "--data", "digits", "--out", str(call), "--steps", "3", "--seed", "0")
    training = environment.flowzoo(*command)
    assert training.returncode == 0, training.stderr
    assert list(call.rglob("model.safetensors")), "a trained model is saved"


def test_plugins_that_fail_are_named_and_harm_nothing_else(tmp_path):
    environment = make_environment(tmp_path, {})
    for distribution, source in {**BAD, "flowzoo-blur": BLUR}.items():
        environment.install(distribution, source)

    plugins = environment.flowzoo("plugins", "--json")
    assert plugins.returncode == 0
    found = {
        each["distribution"]: (each["status"], " ".join(each["reasons"]))
        for each in json.loads(plugins.stdout)
    }
    assert found.keys() == {"flowzoo", "flowzoo-blur", *BAD}
    assert found["flowzoo"] == found["flowzoo-blur"] == ("ok", "")
    for distribution, status, reason in (
        ("flowzoo-import", "failed", "ModuleNotFoundError: No module named 'a_module_that_is_not_there'"),
        ("flowzoo-raises", "failed", "ZeroDivisionError"),
        ("flowzoo-exits", "failed", "SystemExit: enough"),
        ("flowzoo-rubbish", "failed", "list holding 'a string'"),
        ("flowzoo-misspelt", "failed", "unknown hook 'flowzoo_component'"),
        ("flowzoo-outdated", "failed", "written for version 99"),
        ("flowzoo-slow", "slow", "imports torch while its components are listed"),
        ("flowzoo-twin-a", "clash", "model 'twin' is brought by flowzoo-twin-"),
        ("flowzoo-twin-b", "clash", "model 'twin' is brought by flowzoo-twin-"),
    ):
        assert found[distribution][0] == status, distribution
        assert reason in found[distribution][1]

    shown = environment.flowzoo("plugins").stdout
    assert all(distribution in shown for distribution in BAD)

    listing = environment.flowzoo("list", "--kind", "model")
    assert listing.returncode == 0
    assert "blur-cascade" in listing.stdout
    assert "twin" not in listing.stdout
    assert "failed to load: " in listing.stderr
    assert "model 'twin'" in listing.stderr

    lost = environment.flowzoo("show", "raised")
    assert lost.returncode == 2
    assert "flowzoo-raises (ZeroDivisionError: division by zero)" in lost.stderr
    assert lost.stderr.count("\n") == 1
    twin = environment.flowzoo("show", "twin")
    assert twin.returncode == 2
    assert "uninstall all but one" in twin.stderr

    strict = environment.flowzoo("plugins", "--strict")
    assert (strict.returncode, strict.stdout) == (2, "")
    assert strict.stderr.startswith("error: plugin ")

    restricted = environment.flowzoo("plugins", "--json", FLOWZOO_PLUGINS="blur")
    assert [each["plugin"] for each in json.loads(restricted.stdout)] == ["builtin", "blur"]

    suite = environment.flowzoo("bench", "run", "quick", "--models", "blur*", "--out", "results")
    assert suite.returncode == 0, suite.stderr
    assert "left out 'realnvp': no model 'realnvp'" in suite.stderr
    assert "blur-cascade on digits, seed 0: " in suite.stderr
    report = environment.flowzoo("bench", "report", "results", "--html", "report.html")
    assert "blur-cascade" in report.stdout
    assert "blur-cascade" in (environment.folder / "report.html").read_text()

    script = "import flowzoo; print(flowzoo.create_model('blur-cascade', (1, 8, 8)).latent_shapes)"
    assert environment.python(script).stdout == "((3, 4, 4), (1, 4, 4))\n"


@dataclass(frozen=True)
class Environment:
    """A virtual environment of its own, and a folder to run its programs in."""

    folder: Path

    def install(self, distribution: str, source: str) -> None:
        """Put a plugin of one module where a wheel would have put it."""
        site = site_packages(self.folder)
        module = distribution.replace("-", "_")
        (site / f"{module}.py").write_text(textwrap.dedent(source))
        info = site / f"{module}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(
            f"[flowzoo]\n{distribution.removeprefix('flowzoo-')} = {module}\n"
        )

    def python(self, script: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return self._run("python", "-c", script, **variables)

    def flowzoo(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return self._run("flowzoo", *arguments, **variables)

    def _run(self, program: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        clean = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith(("PYTHON", "FLOWZOO", "COLUMNS"))
        }
        return subprocess.run(
            [self.folder / "bin" / program, *arguments],
            cwd=self.folder,
            env={**clean, **variables},
            capture_output=True,
            text=True,
            timeout=120,
        )


def make_environment(folder: Path, plugins: dict[str, str]) -> Environment:
    """Return a fresh environment with flowzoo and plugins from wheels, beside the libraries of this one."""
    projects = [write_project(folder / "projects", *each) for each in plugins.items()]
    wheels = folder / "wheels"
    pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", wheels, ROOT, *projects)
    fresh = folder / "environment"
    venv.create(fresh, symlinks=True)
    share_third_party_packages(fresh)
    pip("--python", fresh / "bin" / "python", "install", "--no-deps", "--no-index", *wheels.iterdir())
    return Environment(fresh)


def write_project(folder: Path, distribution: str, source: str) -> Path:
    """Write a plugin as its author would: one module, and a pyproject.toml with an entry point."""
    project = folder / distribution
    project.mkdir(parents=True)
    module = distribution.replace("-", "_")
    (project / f"{module}.py").write_text(textwrap.dedent(source))
    (project / "pyproject.toml").write_text(
        textwrap.dedent(f"""
            [build-system]
            requires = ["hatchling"]
            build-backend = "hatchling.build"

            [project]
            name = "{distribution}"
            version = "1.0"
            dependencies = ["flowzoo"]

            [project.entry-points.flowzoo]
            {distribution.removeprefix("flowzoo-")} = "{module}"

            [tool.hatch.build.targets.wheel]
            include = ["{module}.py"]
        """)
    )
    return project


def share_third_party_packages(environment: Path) -> None:
    """Link everything installed here but flowzoo and its plugins, which may be links to a source tree."""
    target = site_packages(environment)
    for entry in Path(sysconfig.get_path("purelib")).iterdir():
        if "flowzoo" not in entry.name and entry.suffix != ".pth" and not (target / entry.name).exists():
            (target / entry.name).symlink_to(entry)


def site_packages(environment: Path) -> Path:
    return Path(sysconfig.get_path("purelib", vars={"base": str(environment)}))


def pip(*arguments: str | Path) -> None:
    command: Iterable[str | Path] = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
