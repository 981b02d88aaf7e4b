"""What is published: one version, complete metadata, and the habits that `.github` writes down."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
FORMS = [path for path in sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml")) if path.stem != "config"]


def module_at(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


distributions = module_at(ROOT / ".ci/distributions.py")


def test_there_is_one_version() -> None:
    versions = distributions.versions()
    assert len(versions) >= 3 + len(list((ROOT / "plugins").glob("*/pyproject.toml")))
    assert len(set(versions.values())) == 1, versions


def test_every_distribution_says_where_it_comes_from_and_what_it_is() -> None:
    from trove_classifiers import classifiers

    for path, project in distributions.projects().items():
        assert set(project["urls"]) >= {"Documentation", "Source", "Issues", "Changelog"}, path
        assert all(url.startswith("https://") for url in project["urls"].values()), path
        assert project["classifiers"], path
        assert set(project["classifiers"]) <= classifiers, path
        assert project["license"] == "Apache-2.0", path


def test_the_bundle_depends_on_every_plugin_in_its_own_version() -> None:
    metadata: dict[str, Any] = {"version": "1.2.3"}
    hook = module_at(ROOT / "bundle/hatch_build.py").EveryPlugin(str(ROOT / "bundle"), {})
    hook.update(metadata)
    names = {project["name"] for project in distributions.projects().values()} - {"flowzoo-plugins"}
    assert metadata["dependencies"]
    assert set(metadata["dependencies"]) == {f"{name}==1.2.3" for name in names}


def test_releases_in_the_changelog_are_dated() -> None:
    headings = re.findall(r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert headings
    for heading in headings:
        assert heading == "Unreleased" or re.fullmatch(r"\d+\.\d+\.\d+ \(\d{4}-\d\d-\d\d\)", heading)


def test_a_release_needs_its_version_everywhere_and_a_date() -> None:
    (version,) = set(distributions.versions().values())
    assert distributions.obstacles(f"v{version}", f"# Changelog\n\n## {version} (2030-01-31)\n") == []
    (obstacle,) = distributions.obstacles(f"v{version}", "## Unreleased\n")
    assert "CHANGELOG.md" in obstacle
    others = distributions.obstacles("v99.0.0", "## 99.0.0 (2030-01-31)\n")
    assert len(others) == len(distributions.versions())


def test_the_lowest_versions_are_the_bounds() -> None:
    lowest = distributions.lowest()
    assert "torch==2.6" in lowest
    assert not any(line.startswith("flowzoo") for line in lowest)
    assert len({line.partition("==")[0] for line in lowest}) == len(lowest), "two bounds for one dependency"


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_call_targets_that_exist(path: Path) -> None:
    workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    runs = [step["run"] for job in workflow["jobs"].values() for step in job["steps"] if "run" in step]
    called = [run.split()[1] for run in runs if run.startswith("make ")]
    assert called or path.stem == "test"
    assert set(called) <= targets
    assert workflow["permissions"] == {"contents": "read"}, "rights are given job by job"


def test_workflows_cover_tests_docs_learning_and_releases() -> None:
    assert [path.stem for path in WORKFLOWS] == ["docs", "learn", "release", "test"]
    release = yaml.safe_load((ROOT / ".github/workflows/release.yml").read_text(encoding="utf-8"))
    assert release["jobs"]["publish"]["permissions"] == {"id-token": "write"}
    test = yaml.safe_load((ROOT / ".github/workflows/test.yml").read_text(encoding="utf-8"))
    rows = test["jobs"]["test"]["strategy"]["matrix"]["include"]
    assert {row["versions"] for row in rows} == {"lowest", "recorded", "highest"}


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_issue_forms_are_forms(path: Path) -> None:
    form = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert {"name", "description", "body"} <= set(form)
    names = [field["id"] for field in form["body"]]
    assert len(set(names)) == len(names)
    for field in form["body"]:
        assert field["type"] in {"input", "textarea", "dropdown", "checkboxes"}
        assert field["attributes"]["label"]


def test_before_a_push_everything_is_checked_that_ci_checks() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"][0][
        "hooks"
    ]
    entries = " ".join(hook["entry"] for hook in hooks)
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    check = makefile[makefile.index("\ncheck:") : makefile.index("\ndocs:")]
    for tool in re.findall(r"\$\(BIN\)/(\S+)", check):
        assert f".venv/bin/{tool}" in entries
    assert {"make test", "make docs"} <= {hook["entry"] for hook in hooks}
