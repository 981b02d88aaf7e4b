"""Each plugin is loaded alone; one that fails is recorded and harms nothing else."""

from __future__ import annotations

import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import torch

from flowzoo.data.load import load_dataset
from flowzoo.errors import PluginError, UnknownNameError
from flowzoo.hooks import API_VERSION
from flowzoo.registry.loader import RESTRICTION, default_registry, load_registry

GOOD = """
    from flowzoo.api import Component, hookimpl

    flowzoo_api_version = 2

    @hookimpl
    def flowzoo_components():
        return [Component("transform", "{name}", "nowhere:build", "A transform.")]
"""


def components(expression: str) -> str:
    return f"""
        import sys
        from flowzoo.api import Check, Component, hookimpl
        flowzoo_api_version = 2
        @hookimpl
        def flowzoo_components():
            return {expression}
    """


def component(**fields: str) -> str:
    given = {
        "kind": "'transform'",
        "name": "'mine'",
        "build": "'mine:build'",
        "summary": "'A transform.'",
        **fields,
    }
    return components(f"[Component({', '.join(f'{key}={value}' for key, value in given.items())})]")


@pytest.mark.parametrize("stated", [API_VERSION[0], API_VERSION, (API_VERSION[0], 0)])
def test_a_plugin_for_this_version_or_an_earlier_minor_one_loads(install_plugin, stated):
    install_plugin("flowzoo-good", GOOD.format(name="good").replace("version = 2", f"version = {stated}"))
    assert not load_registry(strict=True).failures


def test_builtin_comes_first_and_a_plugin_after_it(install_plugin):
    install_plugin("flowzoo-good", GOOD.format(name="good"), version="2.3")
    registry = load_registry()
    assert [each.name for each in registry.plugins] == ["builtin", "good"]
    plugin = registry.plugins[1]
    assert (plugin.distribution, plugin.version, plugin.imported_torch) == ("flowzoo-good", "2.3", False)
    assert 0 < plugin.seconds < 10
    assert registry.failures == ()
    assert registry.find("transform", "good").summary == "A transform."
    assert registry.plugin_of(registry.find("transform", "good")) is plugin


BAD = {
    "import": ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
    "syntax": ("def", "SyntaxError: invalid syntax"),
    "exit on import": ("import sys; sys.exit(3)", "SystemExit: 3"),
    "hook raises": (components("1 / 0"), "ZeroDivisionError: division by zero"),
    "hook exits": (components("sys.exit('bye')"), "SystemExit: bye"),
    "generator exit": (components("(_ for _ in ()).throw(GeneratorExit)"), "GeneratorExit"),
    "long message": (
        components("int('x\\ny')"),
        "ValueError: invalid literal for int() with base 10: 'x\\ny'",
    ),
    "several lines": (components("(_ for _ in ()).throw(OSError('one\\ntwo'))"), "OSError: one two"),
    "no version": (
        GOOD.replace("flowzoo_api_version = 2", ""),
        "does not state flowzoo_api_version; add flowzoo_api_version = 2",
    ),
    "old version": (GOOD.replace("version = 2", "version = 1"), "Install a newer version of the plugin"),
    "new major version": (GOOD.replace("version = 2", "version = 7"), "pip install --upgrade flowzoo"),
    "new minor version": (
        GOOD.replace("version = 2", f"version = {(API_VERSION[0], API_VERSION[1] + 1)}"),
        "pip install --upgrade flowzoo",
    ),
    "no number": (GOOD.replace("version = 2", "version = '2'"), "flowzoo_api_version is '2'; write 2"),
    "unmarked": (GOOD.replace("@hookimpl", ""), "has no function flowzoo_components marked"),
    "misspelt": (GOOD.replace("flowzoo_components", "flowzoo_component"), "unknown hook 'flowzoo_component'"),
    "wrong arguments": (
        GOOD.replace("components()", "components(zoo)"),
        "Argument(s) {'zoo'} are declared in the hookimpl",
    ),
    "None": (components("None"), "returned None; it must return a list of Component"),
    "tuple": (components("()"), "returned tuple; it must return a list"),
    "rubbish": (components("['haar']"), "list holding 'haar'; each item must be a Component"),
    "kind": (component(kind="'transforms'"), "no kind 'transforms'; did you mean 'transform'?"),
    "kind's type": (component(kind="7"), "kind is 7, expected str"),
    "name": (component(name="'My_Name'"), "'My_Name'"),
    "build": (component(build="'mine.build'"), "expected 'package.module:callable'"),
    "summary": (component(summary="' '"), "summary must be one line"),
    "revision": (component(revision="0"), "revision is 0, expected at least 1"),
    "check": (component(check="None"), "check is None, expected Check"),
    "presets": (component(presets="[]"), "presets is [], expected a mapping"),
    "a preset's name": (component(presets="dict([(1, dict())])"), "expected a mapping of names to options"),
    "twice": (
        components("[Component('split', 'a', 'm:b', 'S.'), Component('split', 'a', 'm:c', 'S.')]"),
        "registers split 'a' twice",
    ),
}


@pytest.mark.parametrize(("source", "reason"), BAD.values(), ids=BAD)
def test_a_plugin_that_fails_is_recorded_and_harms_nothing_else(install_plugin, source, reason):
    install_plugin("flowzoo-bad", source.format(name="bad"))
    install_plugin("flowzoo-good", GOOD.format(name="good"))
    registry = load_registry()
    assert [each.name for each in registry.plugins] == ["builtin", "good"]
    (failure,) = registry.failures
    assert (failure.name, failure.distribution, failure.version) == ("bad", "flowzoo-bad", "1.0")
    assert reason in failure.reason
    assert "\n" not in failure.reason
    with pytest.raises(PluginError, match="plugin 'bad' of flowzoo-bad"):
        load_registry(strict=True)


def test_a_plugin_changes_torch_for_no_other(install_plugin):
    source = """
        import torch
        torch.set_default_dtype(torch.float64)
        torch.set_num_threads(torch.get_num_threads() + 1)
        torch.set_grad_enabled(False)
        torch.set_float32_matmul_precision("medium")
        torch.use_deterministic_algorithms(True)
    """
    before = settings()
    install_plugin("flowzoo-rude", source + components("[]").replace("Check, Component, ", ""))
    assert "flowzoo-rude" in [plugin.distribution for plugin in default_registry().plugins]
    assert settings() == before


def test_a_model_changes_torch_for_no_other(install_plugin):
    source = """
        def build(*, rows: Annotated[int, Field(ge=1)] = 1):
            import torch
            from flowzoo.api import load_dataset
            torch.set_default_dtype(torch.float64)
            return load_dataset("digits")
    """
    imports = "from typing import Annotated\nfrom pydantic import Field\n"
    listed = components('[Component("dataset", "rude", f"{__name__}:build", "Rude.")]')
    install_plugin("flowzoo-rude", imports + textwrap.dedent(source) + textwrap.dedent(listed))
    before = settings()
    assert load_dataset("rude").info.name == "digits"
    assert settings() == before


def settings():
    return (
        torch.get_default_dtype(),
        torch.get_num_threads(),
        torch.is_grad_enabled(),
        torch.get_float32_matmul_precision(),
        torch.are_deterministic_algorithms_enabled(),
    )


def test_an_interrupt_goes_through(install_plugin):
    install_plugin("flowzoo-bad", "raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        load_registry()


def test_a_name_that_two_plugins_bring_is_the_only_one_lost(install_plugin):
    install_plugin("flowzoo-one", GOOD.format(name="shared"))
    install_plugin("flowzoo-two", GOOD.format(name="shared"))
    registry = load_registry()
    with pytest.raises(PluginError, match=r"'shared' is brought by .*-(one|two) and flowzoo-(one|two)"):
        registry.find("transform", "shared")
    assert "shared" not in registry.names("transform")
    assert "haar" in registry.names("transform")
    assert [each.name for each in registry.clashes] == ["shared"]
    with pytest.raises(PluginError, match="uninstall all but one"):
        load_registry(strict=True)


SOME_BAD = """[
    Component("split", "good", "m:b", "S."),
    Component("sampler", "go", "m:b", "S."),
    Component("split", "My_Split", "m:b", "S."),
    Component("split", "a/b", "m:b", "S."),
    Component("split", "sp\u00e4t", "m:b", "S."),
    Component("split", "", "m:b", "S."),
    Component("split", "twin", "m:b", "S."),
    Component("split", "twin", "m:c", "S."),
    "rubbish",
]"""


def test_a_component_that_cannot_be_used_costs_the_plugin_no_other(install_plugin):
    install_plugin("flowzoo-some", components(SOME_BAD.replace("\n", "")))
    registry = load_registry()
    assert registry.failures == ()
    plugin = registry.plugins[-1]
    assert [each.name for each in plugin.components] == ["good"]
    for reason in (
        "no kind 'sampler'",
        "'My_Split'",
        "'a/b'",
        "'sp\u00e4t'",
        "''",
        "'twin' twice",
        "'rubbish'",
    ):
        assert any(reason in each for each in plugin.skipped), reason
    assert len(plugin.skipped) == 7
    with pytest.raises(
        UnknownNameError, match=r"components that cannot be used: flowzoo-some \(.*'My_Split'"
    ):
        registry.find("split", "my-split")
    with pytest.raises(PluginError, match=r"of flowzoo-some: component 'go': no kind 'sampler'"):
        load_registry(strict=True)


def test_a_plugin_that_takes_names_of_the_core_s_loses_only_those(install_plugin):
    taken = """[
        Component("bijector", "identity", "m:b", "Mine."),
        Component("dataset", "digits", "m:b", "Mine."),
        Component("bijector", "mine", "m:b", "Mine."),
    ]"""
    install_plugin("flowzoo-greedy", components(taken.replace("\n", "")))
    registry = load_registry()
    for kind, name in (("bijector", "identity"), ("dataset", "digits")):
        assert registry.plugin_of(registry.find(kind, name)).core
        assert registry.find(kind, f"flowzoo-greedy/{name}").summary == "Mine."
    assert registry.find("bijector", "mine").summary == "Mine."
    assert {each.name for each in registry.clashes if each.core} == {"identity", "digits"}
    with pytest.raises(PluginError, match="'identity' of flowzoo-greedy has a name of flowzoo's own"):
        load_registry(strict=True)


def test_of_two_plugins_of_one_name_one_may_fail(install_plugin):
    install_plugin("flowzoo-one", GOOD.format(name="shared"))
    install_plugin("flowzoo-two", GOOD.format(name="shared") + "\n    1 / 0\n")
    registry = load_registry()
    assert registry.plugin_of(registry.find("transform", "shared")).distribution == "flowzoo-one"
    with pytest.raises(UnknownNameError, match=r"failed to load: flowzoo-two \(ZeroDivisionError"):
        registry.find("transform", "flowzoo-two/shared")


def test_a_component_that_two_plugins_hand_out_belongs_to_each(install_plugin):
    shared = """
        from flowzoo.api import Component, hookimpl
        flowzoo_api_version = 2
        COMPONENTS = [Component("transform", "shared", "nowhere:build", "A transform.")]
        @hookimpl
        def flowzoo_components():
            return COMPONENTS
    """
    install_plugin("flowzoo-one", shared)
    reuse = "\nfrom flowzoo_one import flowzoo_api_version, flowzoo_components\n"
    install_plugin("flowzoo-two", reuse)
    registry = load_registry()
    for owner in ("flowzoo-one", "flowzoo-two"):
        found = registry.find("transform", f"{owner}/shared")
        assert registry.plugin_of(found).distribution == owner


def test_a_plugin_that_imports_torch_while_listing_is_known(install_plugin, tmp_path):
    install_plugin("flowzoo-slow", "import torch\n" + component().replace("\n        ", "\n"))
    script = (
        "from flowzoo.registry.loader import load_registry\n"
        "print([(each.name, each.imported_torch) for each in load_registry().plugins])"
    )
    done = run_python(script, tmp_path / "site-packages")
    assert done == "[('builtin', False), ('slow', True)]"


def test_a_distribution_that_is_found_twice_counts_once(install_plugin, tmp_path, monkeypatch):
    install_plugin("flowzoo-good", GOOD.format(name="good"))
    shutil.copytree(tmp_path / "site-packages", tmp_path / "again")
    monkeypatch.syspath_prepend(tmp_path / "again")
    assert [each.name for each in load_registry().plugins] == ["builtin", "good"]


def test_a_distribution_without_metadata_goes_by_its_entry_point(install_plugin, tmp_path, monkeypatch):
    install_plugin("flowzoo-good", GOOD.format(name="good"))
    (metadata,) = (tmp_path / "site-packages").glob("*.dist-info/METADATA")
    metadata.unlink()
    monkeypatch.setenv(RESTRICTION, "good")
    plugin = load_registry().plugins[-1]
    assert (plugin.distribution, plugin.version) == ("good", "?")


@pytest.mark.parametrize("name", ["good", "flowzoo-good", "Flowzoo_Good", " good ,"])
def test_the_environment_restricts_what_is_loaded(install_plugin, monkeypatch, name):
    install_plugin("flowzoo-good", GOOD.format(name="good"))
    install_plugin("flowzoo-other", GOOD.format(name="other"))
    monkeypatch.setenv(RESTRICTION, name)
    registry = load_registry()
    assert [each.name for each in registry.plugins] == ["builtin", "good"]
    assert registry.failures == ()
    assert "flowzoo-other" in registry.left_out
    monkeypatch.setenv(RESTRICTION, "")
    assert [each.name for each in load_registry().plugins] == ["builtin"]
    monkeypatch.setenv(RESTRICTION, "builtin")
    assert [each.name for each in load_registry().plugins] == ["builtin"]


def test_without_restriction_everything_installed_is_loaded(install_plugin, monkeypatch):
    install_plugin("flowzoo-good", GOOD.format(name="good"))
    monkeypatch.delenv(RESTRICTION)
    assert {"builtin", "good"} <= {each.name for each in load_registry().plugins}


def test_a_restriction_that_names_nothing_is_a_failure(install_plugin, monkeypatch):
    install_plugin("flowzoo-good", GOOD.format(name="good"))
    monkeypatch.setenv(RESTRICTION, "good,goood")
    (failure,) = load_registry().failures
    assert failure.name == "goood"
    assert "not installed; installed: builtin," in failure.reason


def test_the_default_registry_is_loaded_once(install_plugin):
    assert default_registry() is default_registry()


def run_python(script: str, path: Path) -> str:
    """Run a script in a fresh interpreter that sees the plugins installed in a folder."""
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(path)!r})\n{script}"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
