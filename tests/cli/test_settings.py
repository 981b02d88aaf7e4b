from __future__ import annotations

from pathlib import Path

import pytest

from flowzoo.cli.moved import read_moved
from flowzoo.cli.settings import read_settings
from flowzoo.errors import OptionError


def test_settings_go_where_their_key_says() -> None:
    found = read_settings(
        None,
        ["levels=2", "bijector.blocks=3", "training.learning_rate=1e-3", "data.root=/x", "pixels.alpha=1e-5"],
    )
    assert found.options == {"levels": 2, "bijector": {"blocks": 3}}
    assert found.training == {"learning_rate": 0.001}
    assert found.data == {"root": "/x"}
    assert found.pixels == {"alpha": 1e-5}


def test_assignments_win_over_the_file(tmp_path: Path) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text("levels: 3\nbijector: {name: cnf, blocks: 2}\ntraining: {learning_rate: 1e-4}\n")
    found = read_settings(path, ["bijector.blocks=5", "levels=2"])
    assert found.options == {"levels": 2, "bijector": {"name": "cnf", "blocks": 5}}
    assert found.training == {"learning_rate": 1e-4}


def test_a_component_named_and_then_given_options() -> None:
    found = read_settings(None, ["bijector=glow", "bijector.steps=4"])
    assert found.options == {"bijector": {"name": "glow", "steps": 4}}
    assert read_settings(None, ["bijector.steps=4", "bijector=glow"]).options == found.options


def test_an_empty_file_sets_nothing(tmp_path: Path) -> None:
    (tmp_path / "empty.yaml").write_text("# nothing\n")
    assert read_settings(tmp_path / "empty.yaml", []).options == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- 1\n- 2\n", "must be a mapping"),
        ("a: [", "is not YAML"),
        ("training: 3\n", "training must be a mapping"),
    ],
)
def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "bad.yaml").write_text(text)
    with pytest.raises(OptionError, match=message) as caught:
        read_settings(tmp_path / "bad.yaml", [])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("assignment", "message"),
    [("levels", "takes key=value"), ("=3", "takes key=value"), ("a=[", "not YAML")],
)
def test_an_assignment_that_is_none_is_refused(assignment: str, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        read_settings(None, [assignment])


def test_a_number_has_no_options() -> None:
    with pytest.raises(OptionError, match="has no options"):
        read_settings(None, ["levels=2", "levels.x=1"])


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"nowhere\.yaml"):
        read_settings(tmp_path / "nowhere.yaml", [])


def test_a_key_given_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "twice.yaml").write_text("levels: 2\nlevels: 3\n")
    with pytest.raises(OptionError, match="'levels' is given twice"):
        read_settings(tmp_path / "twice.yaml", [])


def test_settings_without_end_are_refused(tmp_path: Path) -> None:
    (tmp_path / "endless.yaml").write_text("bijector: &a {blocks: 1, x: *a}\n")
    with pytest.raises(OptionError, match="contains itself"):
        read_settings(tmp_path / "endless.yaml", [])


def test_a_file_holds_a_whole_training(tmp_path: Path) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text(
        "model: glow\ndata: {name: images, root: /x}\nbudget: {steps: 5}\nseed: 3\nout: runs/a\nlevels: 1\n"
    )
    found = read_settings(path, ["data.root=/y"])
    assert (found.model, found.data_name, found.data) == ("glow", "images", {"root": "/y"})
    assert (found.budget, found.seed, found.out) == ({"steps": 5}, 3, Path("runs/a"))
    assert found.options == {"levels": 1}
    path.write_text("data: digits\n")
    assert (read_settings(path, []).data_name, read_settings(path, []).data) == ("digits", {})


@pytest.mark.parametrize(
    "text",
    ["model: 3", "budget: 5", "data: [digits]", "data: {name: 3}", "out: [a]", "out: 3", "out: ''"],
)
def test_a_part_of_the_wrong_kind_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "bad.yaml").write_text(text)
    with pytest.raises(OptionError, match=text.partition(":")[0]):
        read_settings(tmp_path / "bad.yaml", [])


@pytest.mark.parametrize(
    ("assignment", "option"),
    [
        ("seed=1", "--seed"),
        ("budget.steps=3", "--steps"),
        ("out=x", "--out"),
        ("data=digits", "--data"),
        ("data.name=digits", "--data"),
        ("model=glow", "model"),
    ],
)
def test_what_has_an_option_of_its_own_is_not_set(assignment: str, option: str) -> None:
    with pytest.raises(OptionError, match=option):
        read_settings(None, [assignment])


@pytest.mark.parametrize(
    "assignment", ["seed=1", "budget.steps=3", "data=digits", "levels=2", "pixels=logit"]
)
def test_a_run_s_settings_are_not_set_where_only_its_files_can_have_moved(assignment: str) -> None:
    assert read_moved(["data.root=/x"]) == {"root": "/x"}
    with pytest.raises(OptionError, match=r"data\.KEY=VALUE") as refused:
        read_moved([assignment])
    assert "--steps" not in str(refused.value)
