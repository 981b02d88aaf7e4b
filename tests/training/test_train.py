"""``flowzoo.train`` and ``flowzoo.evaluate``: from data to figures and samples in Python."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import flowzoo
from flowzoo.cli.settings import read_settings
from flowzoo.errors import DataError, FileError, OptionError, SavedModelError, ShapeError
from flowzoo.runfolder import RunFolder
from flowzoo.training.reporter import Progress
from flowzoo.training.resume import resume_run

SMALL = {"levels": 1, "last": {"checkerboard": 2, "channel": 0, "network": {"hidden": 4, "blocks": 0}}}
QUICK = {"batch_size": 8, "validations": 2, "validation_images": 8, "initial_images": 32}


def small(name: str = "realnvp", shape: tuple[int, ...] = (1, 8, 8), bins: int = 17) -> flowzoo.Flow:
    return flowzoo.create_model(name, shape, bins=bins, seed=0, **SMALL)


def test_from_loading_data_to_samples(tmp_path: Path) -> None:
    data = flowzoo.load_dataset("digits")
    seen: list[Progress] = []
    model = flowzoo.train(
        *("realnvp", data),
        steps=20,
        out=tmp_path / "run",
        options=SMALL,
        training=QUICK,
        device="cpu",
        progress=seen.append,
    )
    assert max(each.step for each in seen) == 20
    found = flowzoo.evaluate(model, data, images=10, audit_seconds=0.5)
    assert (found.model, found.data, found.images) == ("realnvp", "digits", 10)
    assert found.density is not None
    assert found.gaussian_bits_per_dim is not None
    assert model.sample(3, seed=0).shape == (3, 1, 8, 8)
    # The run is one like the command's: the same model, and the same figure on its own data.
    again = flowzoo.evaluate(tmp_path / "run", images=10, audit=False, floor=False, device="cpu")
    assert (again.bits_per_dim, again.training_steps) == (found.bits_per_dim, 20)
    saved = flowzoo.evaluate(tmp_path / "run" / "model", "digits", images=10, audit=False, floor=False)
    assert (saved.bits_per_dim, saved.training_steps) == (found.bits_per_dim, None)
    assert torch.equal(flowzoo.load_model(tmp_path / "run").sample(3, seed=0), model.sample(3, seed=0))


def test_a_model_of_ones_own_is_trained_in_place_and_on(tmp_path: Path) -> None:
    model = small()
    before = [each.clone() for each in model.parameters()]
    assert flowzoo.train(model, "digits", steps=2, training=QUICK) is model
    between = [each.clone() for each in model.parameters()]
    assert any(not torch.equal(*pair) for pair in zip(before, between, strict=True))
    flowzoo.train(model, "digits", steps=2, training={**QUICK, "learning_rate": 1e-9}, out=tmp_path / "run")
    for ours, theirs in zip(model.parameters(), between, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=0)
    record = RunFolder(tmp_path / "run").read()
    assert record.experiment.model == "realnvp"
    assert record.experiment.data == "digits"


@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy])
def test_images_in_memory_are_trained_and_evaluated(tmp_path: Path, kind: type) -> None:
    images = kind(np.random.default_rng(0).integers(0, 256, (40, 1, 8, 12), dtype=np.uint8))
    model = flowzoo.train("gaussian", images, steps=1, out=tmp_path / "run")
    found = flowzoo.evaluate(model, images, audit=False)
    assert (found.images, found.data) == (40, "in memory")
    assert "train" in found.gaussian_remark
    with pytest.raises(DataError, match=r"flowzoo\.evaluate"):
        flowzoo.evaluate(tmp_path / "run")
    assert flowzoo.evaluate(tmp_path / "run", images, audit=False).bits_per_dim == found.bits_per_dim
    splits = {"train": images[:30], "test": images[30:]}
    assert flowzoo.evaluate(model, splits, audit=False).images == 10


def test_a_run_on_images_in_memory_goes_on_in_a_new_folder_alone(tmp_path: Path) -> None:
    run, images = tmp_path / "run", np.random.default_rng(0).integers(0, 256, (40, 1, 8, 8), dtype=np.uint8)
    flowzoo.train("realnvp", images, steps=2, options=SMALL, training=QUICK, out=run)
    record = (run / "run.json").read_bytes()
    with pytest.raises(DataError, match=rf"{run}.*resume=True"):
        resume_run(run, device="cpu")
    assert read_settings(run, []).data_name is None  # so that a data set is asked for
    with pytest.raises(SavedModelError, match=f"{run} holds a run already"):
        flowzoo.train("realnvp", images, steps=4, options=SMALL, training=QUICK, out=run)
    assert (run / "run.json").read_bytes() == record
    again = flowzoo.train(flowzoo.load_model(run), images, steps=2, training=QUICK, out=tmp_path / "next")
    assert RunFolder(tmp_path / "next").read().status == "finished"
    assert again.bins == 256


def test_training_on_images_in_memory_goes_on_where_it_was_interrupted(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (40, 1, 8, 8), dtype=np.uint8)
    training = {**QUICK, "initial_images": 16}

    def train(name: str, **changed: Any) -> flowzoo.Flow:
        given = {"steps": 6, "options": SMALL, "training": training, "data": images, **changed}
        return flowzoo.train("realnvp", out=tmp_path / name, device="cpu", **given)

    def stop(progress: Progress) -> None:
        if progress.step == 5:
            raise KeyboardInterrupt

    whole = train("whole", resume=True)  # there is no run yet
    with pytest.raises(KeyboardInterrupt):
        train("cut", progress=stop)
    with pytest.raises(DataError, match="images differ"):
        train("cut", data=255 - images, resume=True)
    with pytest.raises(OptionError, match=r"\(training, seed\)"):
        train("cut", training={**training, "batch_size": 4}, seed=1, resume=True)
    with pytest.raises(OptionError, match="out="):
        flowzoo.train("realnvp", images, steps=1, options=SMALL, resume=True)
    resumed = train("cut", resume=True)
    assert all(torch.equal(*pair) for pair in zip(resumed.parameters(), whole.parameters(), strict=True))
    assert RunFolder(tmp_path / "cut").read().steps == 6


def test_a_data_set_with_options_is_found_again(tmp_path: Path) -> None:
    data = flowzoo.load_dataset("mnist-5k", size=28)
    flowzoo.train("gaussian", data, steps=1, out=tmp_path / "run", training=QUICK)
    assert RunFolder(tmp_path / "run").read().experiment.data_options == {"size": 28}
    assert flowzoo.evaluate(tmp_path / "run", images=2, audit=False).images == 2


def test_a_seed_repeats_what_the_command_trains(tmp_path: Path) -> None:
    first, second = (
        flowzoo.train("realnvp", "digits", steps=2, seed=3, options=SMALL, training=QUICK).sample(2, seed=0)
        for _ in range(2)
    )
    assert torch.equal(first, second)


@pytest.mark.parametrize(
    ("make", "error", "named"),
    [
        (lambda: flowzoo.train("realnvp", "digits"), OptionError, "seconds"),
        (lambda: flowzoo.train("realnvp", "digits", steps=1, training={"batch": 3}), OptionError, "batch"),
        (lambda: flowzoo.train("relnvp", "digits", steps=1), flowzoo.UnknownNameError, "realnvp"),
        (lambda: flowzoo.train(small(), "digits", steps=1, options={"levels": 2}), OptionError, "options"),
        (lambda: flowzoo.train(small(shape=(1, 8, 12)), "digits", steps=1), ShapeError, "1x8x12"),
        (lambda: flowzoo.train(small(bins=256), "digits", steps=1), OptionError, "17"),
        (lambda: flowzoo.evaluate(small()), OptionError, "data="),
        (lambda: flowzoo.evaluate("nowhere"), SavedModelError, "nowhere"),
        (lambda: flowzoo.evaluate(3), SavedModelError, "int"),
        (lambda: flowzoo.evaluate(small(), "digits", data_options=["root"]), OptionError, "data_options"),
        (lambda: flowzoo.evaluate(small(), "digits", audit_seconds="long"), OptionError, "audit_seconds"),
        (lambda: flowzoo.load_dataset(None), flowzoo.UnknownNameError, "None"),
        (lambda: flowzoo.save_model(small(), 3), SavedModelError, "3"),
        (lambda: flowzoo.train("realnvp", "digits", seconds="60"), OptionError, "'60'"),
        (lambda: flowzoo.train("realnvp", "digits", steps=1, options="levels=2"), OptionError, "options"),
        (lambda: flowzoo.train("realnvp", "digits", steps=1, options={2: 1}), OptionError, "options.* 2 "),
        (lambda: flowzoo.train("realnvp", "digits", steps=1, training=[1]), OptionError, "training"),
        (lambda: flowzoo.train(small(), "digits", steps=1, device=3), OptionError, "3"),
        (lambda: flowzoo.train(small(), "digits", steps=1, out=3), FileError, "3"),
        (lambda: flowzoo.train(small(), "digits", steps=1, out="a\0b"), FileError, "null"),
        (lambda: flowzoo.create_model("realnvp", (1, 8, 8), pixels=3), OptionError, "pixels"),
    ],
)
def test_mistakes_are_refused(  # type: ignore[no-untyped-def]
    make, error: type[Exception], named: str, as_users_run_it: None
) -> None:
    with pytest.raises(error, match=named):
        make()


def test_a_model_without_a_recipe_is_told_of_a_loop_of_its_own() -> None:
    model = small()
    model.recipe = None
    with pytest.raises(OptionError, match="training_loss"):
        flowzoo.train(model, "digits", steps=1)


def test_a_folder_with_a_run_is_left_alone(tmp_path: Path) -> None:
    flowzoo.train("gaussian", "digits", steps=1, out=tmp_path / "run", training=QUICK)
    before = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    with pytest.raises(SavedModelError, match="run"):
        flowzoo.train("gaussian", "digits", steps=1, out=tmp_path / "run", training=QUICK)
    assert before == {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
