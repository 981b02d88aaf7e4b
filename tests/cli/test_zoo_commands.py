"""The commands that look at the zoo, and how errors look on the command line."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import flowzoo
from flowzoo.cli import app as app_module
from flowzoo.cli import check as check_module
from flowzoo.cli.app import app
from flowzoo.testing import CheckResult

PLUGIN = """
    from typing import Annotated, Literal
    from pydantic import Field
    from flowzoo.api import BijectorSpec, Check, Component, NetworkSpec, Published, Spec, hookimpl

    flowzoo_api_version = 2

    @hookimpl
    def flowzoo_components():
        return [
            Component("model", "toy-10", "flowzoo_toy:build_toy", "Ten toys.", "Toy et al., 2024"),
            Component(
                "model", "toy-2", "flowzoo_toy:build_toy", "Two toys.",
                published=(Published("CIFAR-10", 3.5, "toy-2024", "2 toys", "not credible"),),
            ),
            Component("bijector", "toy", "flowzoo_toy:build_bijector", "A toy bijector."),
            Component(
                "transform", "noisy", "flowzoo_toy:build_noisy", "Draws.", exact=False,
                check=Check(reason="part of it is drawn"),
            ),
        ]

    def build_toy(
        shape,
        builder,
        *,
        levels: Annotated[int, Field(ge=1, description="How many")] = 2,
        bijector: BijectorSpec = Spec("toy", width=3),
        parts: list[BijectorSpec] = [Spec("actnorm")],
        note: str | None = None,
    ):
        from flowzoo.api import CascadeOptions, cascade_model
        options = CascadeOptions(
            levels=levels, transform=Spec("haar"),
            split=Spec("keep-first-channels"), bijector=Spec("actnorm"),
        )
        return cascade_model(shape, builder, options=options)

    def build_bijector(shape, context_shape, builder, *, width: int = 1): ...

    def build_noisy(shape, builder, *, size: int): ...
"""


@pytest.fixture
def zoo(install_plugin):
    install_plugin("flowzoo-toy", PLUGIN)
    return install_plugin


def run(*arguments: str, code: int = 0):
    result = CliRunner().invoke(app, arguments, env={"COLUMNS": "80"})
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    assert all(len(line) <= 80 for line in result.stdout.splitlines())
    return result


def test_list_shows_models_first_then_the_other_kinds(zoo):
    lines = [line.rstrip() for line in run("list").stdout.splitlines()]
    shown = " ".join(" ".join(lines).split())
    floor = "gaussian One Gaussian with full covariance: the floor that every model has to beat"
    assert shown.startswith(f"models {floor} toy-2 Two toys. toy-10 Ten toys. transforms")
    headings = [line for line in lines if line and not line.startswith(" ")]
    assert headings[:4] == ["models", "transforms", "bijectors", "splits"]


def test_list_matches_a_pattern_and_a_kind(zoo):
    shown = " ".join(run("list", "toy*").stdout.split())
    assert shown == "models toy-2 Two toys. toy-10 Ten toys. bijectors toy A toy bijector."
    assert "toy-2" not in run("list", "toy*", "--kind", "bijector").stdout
    empty = run("list", "--kind", "network")
    assert (empty.stdout, empty.stderr) == ("", "no network is installed\n")


def test_show_sets_published_figures_beside_the_options(zoo):
    shown = " ".join(run("show", "toy-2").stdout.split())
    assert "published bits/dim variant source CIFAR-10 3.50 2 toys toy-2024 (not credible)" in shown
    assert "published" not in run("show", "toy-10").stdout
    data = json.loads(run("show", "toy-2", "--json").stdout)
    assert data["published"][0]["bits_per_dim"] == 3.5


def test_show_builds_the_model_that_is_asked_for(zoo):
    shape = ["--image-shape", "1x8x8", "--json"]
    assert len(json.loads(run("show", "toy-2", *shape).stdout)["levels"]) == 2
    assert len(json.loads(run("show", "toy-2", *shape, "--set", "levels=3").stdout)["levels"]) == 3


def test_list_as_json(zoo):
    data = json.loads(run("list", "toy-*", "--json").stdout)
    assert [each["name"] for each in data] == ["toy-2", "toy-10"]
    assert data[1] == {
        "kind": "model",
        "name": "toy-10",
        "summary": "Ten toys.",
        "reference": "Toy et al., 2024",
        "revision": 1,
        "exact": True,
        "distribution": "flowzoo-toy",
        "version": "1.0",
    }


@pytest.mark.parametrize("word", ["bijector", "bijectors"])
def test_a_kind_lists_what_is_of_it(zoo, word):
    assert run("list", word).stdout == run("list", "--kind", "bijector").stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["list", "gausian"],
            "error: no component 'gausian'; did you mean 'gaussian'? flowzoo list shows all",
        ),
        (["list", "toyy", "--kind", "model"], "error: no model 'toyy'; did you mean 'toy-2'? installed: "),
        (["list", "--kind", "modle"], "error: no kind 'modle'; did you mean 'model'? kinds: transform,"),
        (["show", "gausian"], "error: no component 'gausian'; did you mean 'gaussian'?"),
        (
            ["show", "identity"],
            "error: 'identity' is the name of a transform and of a bijector",
        ),
        (
            ["show", "toy-2", "--image-shape", "8x8"],
            "error: image shape '8x8'",
        ),
        (["show", "toy-2", "--image-shape", "1x0x8"], "error: image shape '1x0x8'"),
        (["show", "toy-2", "--image-shape", "1x7x7"], "error: "),
        (
            ["show", "toy", "--image-shape", "1x8x8"],
            "error: --image-shape is for models, and 'toy' is a bijector",
        ),
        (["show", "toy-2", "--set", "levels=3"], "error: --set changes the model that --image-shape builds"),
        (
            ["show", "toy-2", "--image-shape", "1x8x8", "--set", "training.clip=3"],
            "error: --set training.clip=3: 'training' cannot be set like this; flowzoo show",
        ),
        (
            ["show", "toy-2", "--image-shape", "1x8x8", "--set", "seed=3"],
            "error: --set seed=3: 'seed' cannot be set like this; flowzoo show",
        ),
        (
            ["check", "haar", "--set", "out=x"],
            "error: --set out=x: 'out' cannot be set like this; flowzoo check",
        ),
        (["check", "qqqqqq"], "error: no component 'qqqqqq'. flowzoo list shows all names"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(zoo, arguments, message):
    result = run(*arguments, code=2)
    assert result.stdout == ""
    assert result.stderr.startswith(message)
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "mistake", "command"),
    [
        (["list", "--no-such-option"], "--no-such-option", "list"),
        (["show"], "'name'", "show"),
        (["check", "haar", "--seed", "many"], "'--seed'", "check"),
        (["bench", "nope"], "'nope'", "bench"),
        (["bench", "run"], "'suite'", "bench run"),
        (["--nope"], "--nope", "root"),
    ],
)
def test_a_wrong_command_line_is_one_line_that_names_the_help(zoo, arguments, mistake, command):
    result = run(*arguments, code=2)
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: ")
    assert mistake in line
    # The runner of the tests calls the program "root".
    assert line.endswith(f"{command} --help'")


def test_a_group_of_commands_without_one_shows_its_help(zoo):
    assert "report" in run("bench", code=2).stdout


def test_a_mistyped_command_is_corrected(zoo):
    assert "did you mean 'list'?" in run("lsit", code=2).stderr


def test_debug_shows_the_traceback(zoo):
    stderr = run("--debug", "show", "gausian", code=2).stderr
    assert stderr.startswith("Traceback")
    assert "error: no component 'gausian'" in stderr


def test_an_interrupt_is_one_line(zoo, monkeypatch):
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(check_module, "choose", interrupt)
    result = run("check", "haar", code=130)
    assert (result.stdout, result.stderr) == ("", "interrupted\n")


def test_version_and_help():
    assert run("--version").stdout == f"flowzoo {flowzoo.__version__}\n"
    assert "Example: flowzoo list" in run("--help").stdout


@pytest.mark.parametrize("command", ["list", "show", "plugins", "check", "train", "evaluate", "sample"])
def test_every_help_ends_with_an_example(command):
    last = run(command, "--help").stdout.strip().splitlines()[-1]
    assert last.strip().startswith(f"Example: flowzoo {command}")


def test_show_a_model(zoo):
    lines = [line.rstrip() for line in run("show", "toy-10").stdout.splitlines()]
    assert lines == [
        "toy-10 (model)",
        "Ten toys.",
        "",
        "paper  Toy et al., 2024",
        "from   flowzoo-toy 1.0",
        "exact  yes",
        "",
        "option          default    meaning (allowed)",
        "levels          2          How many (int >= 1)",
        "bijector        toy        (bijector)",
        "bijector.width  3          (int)",
        "parts           [actnorm]  (list of bijector)",
        "note            null       (text | None)",
        "dequantisation  uniform    Noise that makes integer images continuous.",
        "                           (dequantisation)",
        "classes         0          Classes of the labels that it is given. 0: none. (int",
        "                           >= 0 and <= 1000)",
        "class_dropout   0.1        Share of labels hidden in training. (float >= 0 and <",
        "                           1)",
    ]


def test_show_what_is_not_exact_and_what_is_required(zoo):
    shown = run("show", "noisy").stdout
    assert "no: part of it is drawn" in shown
    assert "size    required  (int)" in shown
    assert "no options" in run("show", "haar").stdout


def test_show_the_levels_of_a_model(zoo):
    lines = [line.split() for line in run("show", "toy-2", "--image-shape", "3x8x8").stdout.splitlines()]
    start = lines.index(["level", "image", "kept", "latent", "parameters"])
    assert lines[start + 1 :] == [
        ["0", "3x8x8", "3x4x4", "9x4x4", "18"],
        ["1", "3x4x4", "nothing", "3x4x4", "6"],
        ["all", "24"],
    ]


def test_show_as_json(zoo):
    data = json.loads(run("show", "toy-2", "--json", "--image-shape", "1x4x4").stdout)
    assert (data["name"], data["kind"], data["distribution"]) == ("toy-2", "model", "flowzoo-toy")
    assert data["options"][2] == {
        "name": "bijector.width",
        "allowed": "int",
        "default": 3,
        "required": False,
        "description": "",
    }
    assert data["levels"][0]["latent"] == [3, 2, 2]
    assert "levels" not in json.loads(run("show", "toy-2", "--json").stdout)


def test_show_prefers_the_model(zoo):
    assert run("show", "gaussian").stdout.startswith("gaussian (model)")
    assert run("show", "gaussian", "--kind", "bijector").stdout.startswith("gaussian (bijector)")


def test_plugins(zoo):
    zoo("flowzoo-broken", "raise ImportError('no scipy')")
    zoo("flowzoo-twin", PLUGIN, version="2.0")
    lines = [line.split() for line in run("plugins").stdout.splitlines()]
    assert lines[0] == ["plugin", "version", "components", "load", "status"]
    rows = {line[0]: line for line in lines[1:6] if line}
    assert rows["builtin"][-1] == "ok"
    assert rows["flowzoo-toy"][1:3] == ["1.0", "4"]
    assert rows["flowzoo-toy"][-1] == rows["flowzoo-twin"][-1] == "clash"
    assert rows["flowzoo-broken"] == ["flowzoo-broken", "1.0", "0", "failed"]
    text = " ".join(run("plugins").stdout.split())
    assert "failed: ImportError: no scipy" in text
    assert "clash: model 'toy-2' is brought by" in text
    listing = run("list")
    assert "failed to load: flowzoo-broken; flowzoo plugins says why" in listing.stderr
    assert "left out, because several plugins bring them: model 'toy-10', model 'toy-2'" in listing.stderr


def test_plugins_as_json(zoo):
    (builtin, toy) = json.loads(run("plugins", "--json").stdout)
    assert builtin["distribution"] == "flowzoo"
    assert toy["components"] == {"model": 2, "bijector": 1, "transform": 1}
    assert (toy["status"], toy["reasons"]) == ("ok", [])
    assert 0 <= toy["milliseconds"] < 10_000


def test_plugins_strictly(zoo):
    run("plugins", "--strict")
    zoo("flowzoo-broken", "raise ImportError('no scipy')")
    message = run("plugins", "--strict", code=2).stderr
    assert message == "error: plugin 'broken' of flowzoo-broken: ImportError: no scipy\n"


def test_check_reports_a_line_per_check(zoo, monkeypatch):
    shown = run("check", "haar").stdout
    assert ["ok", "round-trip"] in [line.split() for line in shown.splitlines()]
    assert "FAILED" not in shown

    results = [
        CheckResult("shapes", True, note="tried on one image"),
        CheckResult("log-det", False, "off by 0.5"),
        CheckResult("gradients", False, "off by 0.5", trial="narrow"),
    ]

    def checked(kind, name, seed, told):
        for each in results:
            told(each)
        return results

    monkeypatch.setattr("flowzoo.testing.check_component", checked)
    *lines, summary, advice = run("check", "haar", code=1).stdout.splitlines()
    assert [line.split()[:2] for line in lines] == [
        ["ok", "shapes"],
        ["FAILED", "log-det"],
        ["FAILED", "gradients"],
    ]
    starts = {
        line.index(text)
        for line, text in zip(lines, ("tried on", "off by", "failed alike: see log-det"), strict=True)
    }
    assert len(starts) == 1  # the columns are aligned
    assert "off by" not in lines[2]  # what is wrong is said once
    assert summary == f"transform 'haar' of flowzoo {flowzoo.__version__}: 1 of 3 checks passed"
    assert "'log-det'" in advice


def test_check_takes_options_and_a_seed(zoo):
    shown = run("check", "logit", "--set", "alpha=0.25", "--seed", "3").stdout
    assert "FAILED" not in shown
    message = run("check", "logit", "--set", "alpah=0.25", code=2).stderr
    assert message.startswith("error: bijector 'logit' has no option 'alpah'; did you mean 'alpha'?")
    assert "data.KEY" in run("check", "logit", "--set", "data.root=x", code=2).stderr


def test_check_says_how_to_give_a_data_set_its_files(zoo, tmp_path):
    shown = run("check", "images", code=1).stdout
    assert "NO FILES" in shown
    assert "next: flowzoo check images --kind dataset --set root=FOLDER" in shown
    for seed in range(40):
        pixels = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{seed}.png")
    shown = run("check", "images", "--set", f"root={tmp_path}", "--set", "size=8").stdout
    assert "NO FILES" not in shown
    assert "FAILED" not in shown


def test_check_names_a_component_whose_plugin_fails(zoo):
    zoo("flowzoo-broken", "raise ImportError('no scipy')")
    message = run("check", "tilt", code=2).stderr
    assert "flowzoo-broken (ImportError: no scipy)" in message
    zoo(
        "flowzoo-late",
        """
        from flowzoo.api import Component, hookimpl

        flowzoo_api_version = 2

        @hookimpl
        def flowzoo_components():
            return [Component("bijector", "tilt", "no_such_module:build", "Tilts.")]
        """,
    )
    shown = run("check", "tilt", code=1).stdout
    assert shown.count("PluginError: bijector 'tilt' cannot be imported") == 1
    assert " ".join(shown.split()).count("No module named 'no_such_module'") == 1
    assert shown.count("failed alike") > 5


def test_the_program_runs_as_a_module_and_as_a_script(monkeypatch):
    done = subprocess.run([sys.executable, "-m", "flowzoo", "--version"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, f"flowzoo {flowzoo.__version__}\n")
    monkeypatch.setattr(sys, "argv", ["flowzoo", "--version"])
    with pytest.raises(SystemExit) as caught:
        app_module.main()
    assert caught.value.code == 0


def test_lines_in_a_pipe_are_as_long_as_they_have_to_be(monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    command = [sys.executable, "-m", "flowzoo", "list", "gaussian", "--kind", "model"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stdout.splitlines()[1] == (
        "  gaussian  One Gaussian with full covariance: the floor that every model has to beat"
    )


@pytest.fixture
def twins(zoo):
    """Two plugins with the same names; the second takes one of the core's too, and has one that fails."""
    more = """            Component("bijector", "actnorm", "flowzoo_twin:build_bijector", "Mine."),
            Component("sampler", "go", "flowzoo_twin:go", "Of a newer kind."),
        ]"""
    zoo("flowzoo-twin", PLUGIN.replace("flowzoo_toy", "flowzoo_twin").replace("        ]\n", f"{more}\n", 1))


def test_a_qualified_name_is_taken_wherever_a_name_is(twins):
    assert run("show", "flowzoo-twin/toy-2").stdout.startswith("flowzoo-twin/toy-2 (model)")
    data = json.loads(run("show", "Flowzoo_Toy/toy-2", "--json", "--image-shape", "1x8x8").stdout)
    assert (data["name"], data["distribution"]) == ("flowzoo-toy/toy-2", "flowzoo-toy")
    assert len(data["levels"]) == 2
    part = ["--image-shape", "1x8x8", "--set", "bijector.name=flowzoo-twin/toy", "--set", "bijector.width=4"]
    run("show", "flowzoo-toy/toy-2", *part)
    checked = run("check", "flowzoo-twin/actnorm", "--kind", "bijector", code=1).stdout
    assert "bijector 'actnorm' of flowzoo-twin 1.0 built a NoneType" in " ".join(checked.split())
    assert "bijector 'actnorm' of flowzoo-twin 1.0: " in checked
    assert ["ok", "round-trip"] in [line.split() for line in run("check", "haar").stdout.splitlines()]
    listed = json.loads(run("list", "flowzoo-twin/*", "--kind", "model", "--json").stdout)
    assert [each["name"] for each in listed] == ["flowzoo-twin/toy-2", "flowzoo-twin/toy-10"]
    assert "flowzoo-twin/toy-2" in run("list", "*/toy-2").stdout


def test_an_ambiguous_name_is_one_line_with_both_qualified_ones(twins):
    for command in (["show", "toy-2"], ["check", "toy-2"]):
        stderr = run(*command, code=2).stderr
        assert stderr.startswith("error: model 'toy-2' is brought by flowzoo-t")
        assert "flowzoo-toy/toy-2" in stderr
        assert "flowzoo-twin/toy-2" in stderr
        assert stderr.count("\n") == 1
    unknown = run("show", "flowzoo-twin/toy-3", code=2).stderr
    assert unknown.startswith("error: no component 'flowzoo-twin/toy-3'; did you mean 'flowzoo-twin/toy-2'?")


def test_what_is_left_out_is_named(twins):
    listing = run("list")
    assert "actnorm" in listing.stdout
    assert "toy-2" not in listing.stdout
    assert "they cannot be used: components of flowzoo-twin; flowzoo plugins says why" in listing.stderr
    assert "because several plugins bring them: model 'toy-10', model 'toy-2'" in listing.stderr
    assert "because flowzoo has these names itself: bijector 'actnorm'" in listing.stderr
    shown = CliRunner().invoke(app, ["plugins", "--json"]).stdout
    rows = {row["distribution"]: row for row in json.loads(shown)}
    assert (rows["flowzoo"]["status"], rows["flowzoo"]["reasons"]) == ("ok", [])
    assert rows["flowzoo-toy"]["status"] == "clash"
    assert rows["flowzoo-twin"]["status"] == "incomplete"
    reasons = " ".join(rows["flowzoo-twin"]["reasons"])
    assert "component 'go': no kind 'sampler'" in reasons
    assert "bijector 'actnorm' of flowzoo-twin has a name of flowzoo's own" in reasons
    assert "use flowzoo-twin/actnorm" in reasons
    assert "no kind 'sampler'" in run("plugins", "--strict", code=2).stderr
