"""What all distributions here share: one version, and a lowest version of each package that they need."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]


def projects() -> dict[str, dict[str, Any]]:
    """Return the ``[project]`` tables of all distributions, by the path of their file."""
    paths = [ROOT / "pyproject.toml", ROOT / "bundle/pyproject.toml"]
    paths += sorted((ROOT / "plugins").glob("*/pyproject.toml"))
    return {
        str(path.relative_to(ROOT)): tomllib.loads(path.read_text(encoding="utf-8"))["project"]
        for path in paths
    }


def versions() -> dict[str, str]:
    """Return every statement of the version, by the file that makes it."""
    stated = {path: project["version"] for path, project in projects().items()}
    for path, pattern in {
        "flowzoo/__init__.py": r'^__version__ = "(.*)"$',
        "CITATION.cff": r"^version: (.*)$",
    }.items():
        found = re.search(pattern, (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE)
        stated[path] = found[1] if found else "(none)"
    return stated


def obstacles(tag: str, changelog: str) -> list[str]:
    """Return what forbids releasing the tag, such as ``v0.1.0``, with this text of the changelog."""
    wanted = tag.removeprefix("v")
    found = [
        f"{path} states version {version}, not {wanted}"
        for path, version in versions().items()
        if version != wanted
    ]
    newest = re.search(r"^## (.*)$", changelog, re.MULTILINE)
    if newest is None or not re.fullmatch(re.escape(wanted) + r" \(\d{4}-\d\d-\d\d\)", newest[1]):
        found.append(f"the first heading of CHANGELOG.md has to be: ## {wanted} (YYYY-MM-DD)")
    return found


def lowest() -> list[str]:
    """Return constraints that ask for the lowest supported version of every direct dependency."""
    lines = set()
    for project in projects().values():
        extras = project.get("optional-dependencies", {})
        needs = [*project.get("dependencies", []), *(each for name in extras for each in extras[name])]
        lines |= {
            need.replace(">=", "==") for need in needs if ">=" in need and not need.startswith("flowzoo")
        }
    return sorted(lines)


if __name__ == "__main__":
    command, *arguments = sys.argv[1:]
    if command == "lowest":
        print(*lowest(), sep="\n")
    else:
        (tag,) = arguments
        sys.exit("\n".join(obstacles(tag, (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"))) or None)
