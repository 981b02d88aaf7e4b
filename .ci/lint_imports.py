"""Checks who imports whom: the contracts in pyproject.toml, and those that hold for every plugin.

Plugins are found in ``plugins/``, so that a new one is checked without an entry here or elsewhere.
"""

from __future__ import annotations

import re
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from importlinter.cli import lint_imports

ROOT = Path(__file__).parent.parent
CORE = "flowzoo"

Contract = Mapping[str, Any]


@dataclass(frozen=True)
class Plugin:
    """A plugin of this repository.

    Attributes:
        package: What is imported.
        entry_points: The modules that list its components.
        dependencies: The distributions that it needs.
    """

    package: str
    entry_points: tuple[str, ...]
    dependencies: frozenset[str]


def main() -> int:
    """Check all contracts; return 0 if they are kept."""
    project = _read(ROOT / "pyproject.toml")
    plugins = [_plugin(path) for path in sorted(ROOT.glob("plugins/*/pyproject.toml"))]
    configured = project["tool"]["importlinter"]
    contracts = [*configured["contracts"], *plugin_contracts(plugins, _distributions(project))]
    settings = {key: value for key, value in configured.items() if key not in ("contracts", "root_package")}
    settings["root_packages"] = [CORE, *(each.package for each in plugins)]
    sys.path += map(str, ROOT.glob("plugins/*/src"))  # a plugin need not be installed to be read
    with tempfile.NamedTemporaryFile("w", suffix=".ini", encoding="utf-8") as file:
        file.write(_ini(settings, contracts))
        file.flush()
        return lint_imports(file.name)


def plugin_contracts(plugins: list[Plugin], core_needs: frozenset[str]) -> list[Contract]:
    """Return what plugins keep to.

    They import the API alone, list their components without torch, and keep their libraries to themselves.
    """
    packages = [each.package for each in plugins]
    lists = [module for each in plugins for module in each.entry_points]
    contracts: list[Contract] = [
        _forbidden("The core never imports a plugin", [CORE], packages),
        {"name": "Plugins never import each other", "type": "independence", "modules": packages},
        {
            **_forbidden(f"Of {CORE}, plugins import its api alone", packages, [CORE]),
            "ignore_imports": [f"{each}.** -> {CORE}.api" for each in packages],
        },
        _forbidden("Listing plugins' components needs no torch", lists, ["torch"]),
    ]
    modules = metadata.packages_distributions()
    for library in sorted(frozenset().union(*(each.dependencies for each in plugins)) - core_needs):
        imported = sorted(name for name, owners in modules.items() if library in map(_canonical, owners))
        owners = [each.package for each in plugins if library in each.dependencies]
        others = [each for each in [CORE, *packages] if each not in owners]
        if imported and not library.startswith(CORE):
            contracts.append(_forbidden(f"{library} lives in {', '.join(owners)}", others, imported))
    return contracts


def _forbidden(name: str, source: list[str], forbidden: list[str]) -> Contract:
    return {"name": name, "type": "forbidden", "source_modules": source, "forbidden_modules": forbidden}


def _plugin(path: Path) -> Plugin:
    project = _read(path)
    entry_points = project["project"]["entry-points"][CORE].values()
    modules = tuple(each.partition(":")[0] for each in entry_points)
    return Plugin(modules[0].partition(".")[0], modules, _distributions(project))


def _distributions(project: Mapping[str, Any]) -> frozenset[str]:
    """Return the names of the distributions that a project depends on."""
    found = (re.match(r"[\w.-]+", each) for each in project["project"]["dependencies"])
    return frozenset(_canonical(each.group()) for each in found if each)


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _read(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text(encoding="utf-8"))


def _ini(settings: Mapping[str, Any], contracts: Iterable[Contract]) -> str:
    sections = {"importlinter": settings}
    sections |= {f"importlinter:contract:{place}": each for place, each in enumerate(contracts)}
    lines: list[str] = []
    for section, values in sections.items():
        lines += [f"[{section}]", *(f"{key} = {_value(value)}" for key, value in values.items()), ""]
    return "\n".join(lines)


def _value(value: Any) -> str:
    return "".join(f"\n    {each}" for each in value) if isinstance(value, list) else str(value)


if __name__ == "__main__":
    sys.exit(main())
