from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from flowzoo.bench.cell import Cell, ambiguous, cells_of, missing, select, without_missing_metrics
from flowzoo.bench.suite import SuiteError, parse_suite
from flowzoo.errors import OptionError
from flowzoo.registry.loader import default_registry

SUITE = {
    "summary": "For the tests",
    "models": ["realnvp"],
    "data": ["digits"],
    "budget": {"steps": 10},
    "metrics": ["parameters"],
}


def cells(**changes: Any) -> list[Cell]:
    return cells_of(parse_suite("mine", {**SUITE, **changes}))


def test_a_pattern_stands_for_all_models_that_no_entry_names() -> None:
    found = cells(models=["*", {"name": "glow", "options": {"levels": 2}}])

    assert sorted(cell.experiment.model for cell in found) == default_registry().names("model")
    assert {cell.experiment.model: cell.experiment.options for cell in found}["glow"] == {"levels": 2}


def test_there_is_a_cell_for_each_model_data_set_and_seed() -> None:
    found = cells(models=["realnvp", "glow"], data=["digits", "mnist-5k"], seeds=[0, 3])

    assert (
        len({(cell.label, cell.experiment.data, cell.experiment.seed) for cell in found}) == len(found) == 8
    )


def test_training_options_of_a_row_go_over_the_suite_s() -> None:
    (cell,) = cells(
        models=[{"name": "realnvp", "training": {"clip": 1.0}}],
        training={"clip": 5.0, "batch_size": 8},
    )

    assert (cell.experiment.training.clip, cell.experiment.training.batch_size) == (1.0, 8)


def test_the_pixels_of_a_row_go_over_those_of_the_data() -> None:
    found = cells(
        models=[{"name": "realnvp", "pixels": "affine"}, "glow"],
        data=[{"name": "digits", "pixels": {"name": "logit", "alpha": 0.1}}],
    )

    assert [cell.experiment.pixels for cell in found] == ["affine", {"name": "logit", "alpha": 0.1}]


def test_all_unknown_names_and_wrong_options_are_named_at_once() -> None:
    with pytest.raises(SuiteError) as caught:
        cells(
            models=["realnvq", "zzz-*", {"name": "glow", "options": {"levels": 0}}],
            data=["digit", {"name": "fashion-mnist", "options": {"size": 17}}],
            metrics=["bits", {"name": "bits-per-dim", "drows": 2}],
            training={"batch": 3},
        )

    message = str(caught.value)
    assert "8 mistakes" in message
    for said in (
        "no model 'realnvq'; did you mean 'realnvp'?",
        "no model 'zzz-*'",
        "option 'levels' is 0",
        "no dataset 'digit'; did you mean 'digits'?",
        "option 'size' is 17",
        "no metric 'bits'",
        "no option 'drows'",
        "no training option 'batch'",
    ):
        assert said in message


def test_rows_of_what_is_not_installed_are_left_out_where_the_suite_says_so() -> None:
    models = ["realnvp", "from-elsewhere", {"name": "glow", "options": {"joint": "from-elsewhere"}}]

    found = cells(models=models, optional=True)

    assert [cell.label for cell in found] == ["realnvp"]
    suite = parse_suite(
        "mine",
        {
            "summary": "For the tests",
            "optional": True,
            "models": models,
            "data": ["digits"],
            "budget": {"steps": 1},
            "metrics": ["parameters"],
        },
    )
    reasons = [missing(suite, row) for row in suite.models]
    assert reasons[0] == ""
    assert "no model 'from-elsewhere'" in reasons[1]
    assert "no bijector 'from-elsewhere'" in reasons[2]


def test_two_entries_of_one_metric_are_told_apart_by_labels() -> None:
    other = {"name": "bits-per-dim", "label": "bits of 5 images", "images": 5}
    cell = cells(metrics=["bits-per-dim", other])[0]
    assert cell.metrics == {
        "bits-per-dim": ("bits-per-dim", {}),
        "bits of 5 images": ("bits-per-dim", {"images": 5}),
    }


@pytest.mark.parametrize("optional", [True, False])
def test_metrics_that_are_not_installed_are_left_out_of_optional_suites_alone(optional: bool) -> None:
    asked = {
        "summary": "For the tests",
        "optional": optional,
        "models": ["gaussian"],
        "data": ["digits"],
        "budget": {"steps": 1},
        "metrics": ["parameters", {"name": "from-elsewhere", "images": 5}],
    }
    kept, left = without_missing_metrics(parse_suite("mine", asked))
    assert [each.name for each in kept.metrics] == ["parameters", "from-elsewhere"][: 1 if optional else 2]
    assert list(left) == (["from-elsewhere"] if optional else [])


def test_a_wrong_option_is_refused_in_an_optional_row_too() -> None:
    with pytest.raises(SuiteError, match="option 'levels' is 0"):
        cells(models=[{"name": "glow", "options": {"levels": 0}}], optional=True)


def test_labels_and_metrics_are_there_once() -> None:
    twice = ["realnvp", {"name": "glow", "label": "a b"}, {"name": "glow", "label": "A-b"}]
    with pytest.raises(SuiteError) as caught:
        cells(models=[*twice, "realnvp"], metrics=["parameters", "parameters"])

    assert "'A-b' and 'a b' and 'realnvp'" in str(caught.value)
    assert "metrics: 'parameters'" in str(caught.value)


def test_data_and_seeds_are_there_once() -> None:
    with pytest.raises(SuiteError) as caught:
        cells(data=["digits", "digits"], seeds=[0, 1, 0])

    assert "data: 'digits' would have the same file name" in str(caught.value)
    assert "seeds: 0 is there twice" in str(caught.value)


def test_labels_tell_two_sizes_of_one_data_set_apart() -> None:
    found = cells(
        data=[
            {"name": "mnist-5k", "label": "small", "options": {"size": 28}},
            {"name": "mnist-5k", "options": {"size": 32}},
        ]
    )

    assert [cell.title for cell in found] == ["realnvp on small, seed 0", "realnvp on mnist-5k, seed 0"]


def test_cells_are_selected_by_label_data_and_seed() -> None:
    found = cells(models=["realnvp", "glow", "mrcnf"], data=["digits", "mnist-5k"], seeds=[0, 1])

    chosen = select(found, models=["g*", "mr*"], data=["digits"], seeds=[1])

    assert [(cell.label, cell.experiment.data, cell.experiment.seed) for cell in chosen] == [
        ("glow", "digits", 1),
        ("mrcnf", "digits", 1),
    ]


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"models": ["real*", "glow"]}, "no row matches 'glow'; there are: 'realnvp'"),
        ({"data": ["mnist-5k"]}, "no data set matches 'mnist-5k'; there are: 'digits'"),
        ({"seeds": [7]}, "its seeds: 0"),
    ],
)
def test_a_selection_that_matches_nothing_says_what_there_is(chosen: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=re.escape(message)):
        select(cells(), **chosen)


def test_qualified_names_are_kept_bare_where_that_is_enough() -> None:
    (cell,) = cells(
        models=["Flowzoo_Coupling/glow"],
        data=["flowzoo/digits"],
        metrics=["flowzoo/parameters", {"name": "flowzoo/bits-per-dim", "images": 8}],
    )

    assert (cell.experiment.model, cell.experiment.data) == ("glow", "digits")
    assert [name for name, _ in cell.metrics.values()] == ["parameters", "bits-per-dim"]
    assert cell.label == "Flowzoo_Coupling/glow"
    assert "Flowzoo_Coupling/glow" not in [each.label for each in cells(models=["flowzoo-coupling/*"])]


def test_the_same_under_a_bare_and_a_qualified_name_is_the_same() -> None:
    found = cells(models=["*", "flowzoo-coupling/glow"])

    assert sorted(cell.experiment.model for cell in found) == default_registry().names("model")
    with pytest.raises(SuiteError, match="metrics: 'parameters'"):
        cells(metrics=["parameters", "flowzoo/parameters"])


TWIN = """
    from flowzoo.api import Component, hookimpl
    flowzoo_api_version = 2
    @hookimpl
    def flowzoo_components():
        return [
            Component(kind, name, "nowhere:build", "A twin.")
            for kind, name in (("model", "twin"), ("metric", "mine"), ("dataset", "mine"), ("suite", "all"))
        ]
"""


def test_of_two_plugins_of_one_name_a_suite_says_which(install_plugin: Callable[..., None]) -> None:
    install_plugin("flowzoo-one", TWIN)
    install_plugin("flowzoo-two", TWIN)
    (cell,) = cells(models=["flowzoo-one/twin"], data=["flowzoo-two/mine"], metrics=["flowzoo-one/mine"])
    assert (cell.experiment.model, cell.experiment.data, next(iter(cell.metrics.values()))[0]) == (
        "flowzoo-one/twin",
        "flowzoo-two/mine",
        "flowzoo-one/mine",
    )
    assert [each.experiment.model for each in cells(models=["*/twin"])] == [
        "flowzoo-one/twin",
        "flowzoo-two/twin",
    ]

    with pytest.raises(SuiteError) as caught:
        cells(models=["twin"], data=["mine"], metrics=["mine"])
    for kind in ("model 'twin'", "dataset 'mine'", "metric 'mine'"):
        assert f"{kind} is brought by flowzoo-" in str(caught.value)

    suite = parse_suite("mine", {**SUITE, "models": ["*", "gaussian"]})
    left_out = ambiguous(suite)
    assert list(left_out) == ["twin"]
    assert "flowzoo-two/twin" in left_out["twin"]
    assert ambiguous(parse_suite("mine", SUITE)) == {}
