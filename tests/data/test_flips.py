"""Mirrored training images: in training alone, about half of them, and the same after an interruption."""

import json
from itertools import islice

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from flowzoo import evaluate, load_dataset, train
from flowzoo.data.batches import ShuffledBatches
from flowzoo.data.dataset import TensorImages
from flowzoo.data.memory import in_memory
from flowzoo.experiment.budget import Budget
from flowzoo.experiment.experiment import Experiment
from flowzoo.experiment.parse import parse_experiment
from flowzoo.registry.loader import default_registry
from flowzoo.registry.signature import options_of
from flowzoo.runfolder import RunFolder
from flowzoo.training.reporter import Reporter
from flowzoo.training.resume import resume_run
from flowzoo.training.start import start_run


def numbered(n):
    """Images of two columns: their own number left, zero right."""
    images = torch.zeros(n, 1, 1, 2, dtype=torch.uint8)
    images[:, 0, 0, 0] = torch.arange(1, n + 1, dtype=torch.uint8)
    return TensorImages(images)


def epoch(batches, count, size):
    return torch.cat(list(islice(batches, count // size)))


def test_about_half_the_images_are_mirrored_and_others_the_next_time():
    batches = ShuffledBatches(numbered(200), 50, seed=0, flips=True)
    mirrored = []
    for _ in range(2):
        images = epoch(batches, 200, 50)[:, 0, 0]
        assert sorted(images.sum(1).tolist()) == list(range(1, 201))
        mirrored.append(set(images[images[:, 0] == 0, 1].tolist()))
        assert 70 < len(mirrored[-1]) < 130
    assert 20 < len(mirrored[0] & mirrored[1]) < 80


def test_the_order_is_that_without_flips():
    plain, mirrored = (epoch(ShuffledBatches(numbered(60), 20, 3, flips), 60, 20) for flips in (False, True))
    assert torch.equal(plain.sum(-1), mirrored.sum(-1))
    assert (plain[..., 1] == 0).all()


@given(images=st.integers(1, 30), batch_size=st.integers(1, 20), before=st.integers(0, 9))
def test_restored_batches_mirror_the_same_images(images, batch_size, before):
    whole = ShuffledBatches(numbered(images), batch_size, 1, flips=True)
    for _ in range(before):
        next(whole)
    resumed = ShuffledBatches(numbered(images), batch_size, 2, flips=True)
    resumed.restore(json.loads(json.dumps(whole.state())))
    for _ in range(5):
        assert torch.equal(next(resumed), next(whole))


def test_what_is_evaluated_is_not_mirrored(folder_of_images):
    options = {"root": folder_of_images, "size": 8, "channels": 1}
    plain, mirrored = (load_dataset("images", **options, flips=flips) for flips in (False, True))
    assert (plain.info.flips, mirrored.info.flips) == (False, True)
    assert mirrored.info.revisions == plain.info.revisions
    for split in plain.splits:
        assert torch.equal(mirrored[split][:], plain[split][:])


def test_every_data_set_of_photographs_can_mirror():
    found = {
        component.name
        for component in default_registry().components("dataset")
        if "flips" in options_of(component)
    }
    assert found == {
        "celeba64",
        "cifar10",
        "images",
        "imagenet32-box",
        "imagenet32-oord",
        "imagenet64-box",
        "imagenet64-oord",
        "photos",
        "wallpapers",
    }


def test_flips_decide_weights_and_figures_and_places_of_files_do_not():
    plain, moved, mirrored = (
        Experiment("glow", "images", Budget(steps=5), data_options=options)
        for options in ({}, {"root": "/somewhere", "flips": False}, {"flips": True})
    )
    assert plain.fingerprint == moved.fingerprint != mirrored.fingerprint
    assert plain.key() == moved.key() != mirrored.key()


TINY = {"levels": 1, "last": {"checkerboard": 2, "channel": 0, "network": {"hidden": 4, "blocks": 0}}}


class _StopAt(Reporter):
    def update(self, progress):
        if progress.step == 3:
            raise KeyboardInterrupt


@pytest.fixture
def folder_of_images(tmp_path):
    rng = np.random.default_rng(0)
    for place in range(40):
        Image.fromarray(rng.integers(0, 256, (8, 8), dtype=np.uint8)).save(tmp_path / f"{place}.png")
    return str(tmp_path)


def weights(folder):
    return (folder / "model" / "model.safetensors").read_bytes()


def test_a_resumed_run_ends_like_an_undisturbed_one(folder_of_images, tmp_path_factory):
    options = {"root": folder_of_images, "size": 8, "channels": 1}
    training = {"batch_size": 8, "validations": 2, "validation_images": 4}
    out = tmp_path_factory.mktemp("runs")

    def run(name, reporter=None, **more):
        given = {"model": "realnvp", "data": "images", "data_options": {**options, **more}}
        given |= {"budget": {"steps": 6}, "training": training, "options": TINY}
        start_run(out / name, parse_experiment(given), device="cpu", reporter=reporter)

    run("whole", flips=True)
    run("plain")
    with pytest.raises(KeyboardInterrupt):
        run("cut", _StopAt(), flips=True)
    resume_run(out / "cut", device="cpu")
    assert weights(out / "cut") == weights(out / "whole")
    assert weights(out / "plain") != weights(out / "whole")


def test_a_figure_says_that_training_mirrored(tmp_path):
    rng = np.random.default_rng(0)
    images = {split: rng.integers(0, 256, (12, 1, 4, 4)) for split in ("train", "validation", "test")}
    for flips in (False, True):
        dataset = in_memory(
            "x", images, bins=256, licence="x", source="x", pixels={"name": "affine"}, flips=flips
        )
        out = tmp_path / str(flips)
        train("gaussian", dataset, steps=1, out=out)
        assert RunFolder(out).read().experiment.flips is flips
        assert evaluate(out, dataset, floor=False, audit=False).flips is flips
