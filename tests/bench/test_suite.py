from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flowzoo.bench.suite import SuiteError, parse_suite, read_suite
from flowzoo.errors import OptionError
from flowzoo.experiment.budget import Budget

CONTENT: dict[str, Any] = {
    "summary": "For the tests",
    "models": ["realnvp", {"name": "glow", "label": "small glow", "options": {"levels": 2}}],
    "data": ["digits"],
    "budget": {"steps": 10},
    "metrics": ["parameters", {"name": "bits-per-dim", "draws": 2}],
}


def test_names_stand_for_entries() -> None:
    suite = parse_suite("mine", CONTENT)

    assert [entry.name for entry in suite.models] == ["realnvp", "glow"]
    assert suite.models[1].label == "small glow"
    assert suite.data[0].name == "digits"
    assert suite.metrics[1].options == {"draws": 2}
    assert suite.seeds == [0]


def test_all_mistakes_are_named_at_once() -> None:
    wrong = {
        **CONTENT,
        "modles": [],
        "budget": {"steps": 10, "seconds": 3},
        "data": [{"name": "digits", "rot": "x"}],
        "seeds": [-1],
    }
    del wrong["summary"]

    with pytest.raises(SuiteError) as caught:
        parse_suite("mine", wrong)

    message = str(caught.value)
    assert "suite 'mine' has 5 mistakes" in message
    for said in (
        "no key 'modles'; did you mean 'models'?",
        "exactly one of steps, images and seconds",
        "no key 'data.0.rot'",
        "seeds.0",
        "'summary' is missing",
    ):
        assert said in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"models": []}, "models"),
        ({"models": [{"name": "*", "label": "all"}]}, "cannot share the label"),
        ({"models": [{"name": "a/b/c"}]}, "models.0"),
        ({"models": [{"name": "/b"}]}, "models.0"),
        ({"models": [{"name": "a/"}]}, "models.0"),
        ({"models": [{"name": "../b"}]}, "models.0"),
        ({"models": [{"name": "b", "label": "a/b"}]}, "models.0"),
        ({"models": [3]}, "models.0: must be a mapping"),
        ({"name": "other"}, "Leave out the key 'name'"),
        ({"budget": {"steps": 10**30}}, "budget.steps"),
        ({"timeout": 1e10}, "timeout"),
        ({"budget": {}}, "exactly one"),
        ({"budget": {"steps": 0}}, "budget.steps"),
        ({"budget": {"steps": "ten"}}, "budget.steps"),
        ({"timeout": -1}, "timeout"),
        ({"metrics": [{"draws": 2}]}, "metrics.0"),
        ({"seeds": []}, "seeds"),
    ],
)
def test_what_makes_no_sense_is_refused(change: dict[str, Any], said: str) -> None:
    with pytest.raises(SuiteError, match=said.replace(".", r"\.")):
        parse_suite("mine", {**CONTENT, **change})


def test_what_is_no_mapping_is_refused() -> None:
    with pytest.raises(SuiteError, match="must be a mapping"):
        parse_suite("mine", ["realnvp"])


def test_a_file_gives_the_suite_its_name(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(
        "summary: mine\nmodels: ['*']\ndata: [digits]\nbudget: {seconds: 1e1}\nmetrics: [parameters]\n"
    )

    suite = read_suite(path)

    assert suite.name == "own"
    assert suite.budget.seconds == 10.0


@pytest.mark.parametrize("name", ["..", ".hidden", "a/b"])
def test_names_stay_within_the_folder_of_results(name: str) -> None:
    with pytest.raises(SuiteError, match="name"):
        parse_suite(name, CONTENT)


@pytest.mark.parametrize(
    "text",
    [
        "? [1, 2]\n: 3",
        "? {a: 1}\n: 3",
        "a: 2020-13-45",
        "a: !!int abc",
        "a: !!bool abc",
        f"a: {'9' * 5000}",
    ],
)
def test_odd_yaml_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(text)

    with pytest.raises(OptionError):
        read_suite(path)


def test_a_file_that_is_no_yaml_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text("models: [")

    with pytest.raises(OptionError, match="is not YAML"):
        read_suite(path)


@pytest.mark.parametrize(
    ("budget", "steps", "seconds"), [({"images": 130}, 2, None), ({"seconds": 3}, None, 3)]
)
def test_budgets_resolve_to_steps_or_seconds(
    budget: dict[str, Any], steps: int | None, seconds: float | None
) -> None:
    suite = parse_suite("mine", {**CONTENT, "budget": budget})
    resolved = Budget.parse(suite.budget.model_dump(), batch_size=64)

    assert (resolved.steps, resolved.seconds) == (steps, seconds)
