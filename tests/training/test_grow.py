"""A trained model becomes the coarse levels of a model of larger images."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import flowzoo
from flowzoo.call import Call
from flowzoo.errors import OptionError, SavedModelError
from flowzoo.registry.saving import load_model, save_model
from flowzoo.scaling import downscale
from flowzoo.solving import Solving
from flowzoo.terms import sum_terms
from flowzoo.training.grow import grow
from flowzoo.training.reporter import Progress, Reporter
from flowzoo.training.resume import resume_run
from tests.training.conftest import QUICK, TINY, Start

PIXELS = {"name": "logit", "alpha": 0.05}


def train_small(folder: Path, seed: int) -> Path:
    """Save a model of images of 4x4 pixels with two levels, trained a little."""
    images = torch.randint(0, 17, (64, 1, 4, 4), generator=torch.Generator().manual_seed(0)).byte()
    options = {**TINY, "pixels": PIXELS}
    model = flowzoo.train(
        "mrcnf",
        images,
        steps=1,
        seed=seed,
        options=options,
        training={**QUICK, "validations": 1},
        device="cpu",
    )
    save_model(model, folder)
    return folder


@pytest.fixture
def small(tmp_path: Path) -> Path:
    return train_small(tmp_path / "small", seed=0)


LARGE = {"options": {**TINY, "levels": 3}, "pixels": PIXELS}


@pytest.mark.parametrize("order", ["jointly", "separately"])
def test_only_the_finer_levels_train(start: Start, tmp_path: Path, small: Path, order: str) -> None:
    record = start(tmp_path / "run", grow_from=str(small), training={"order": order}, **LARGE)
    assert record.grown is not None
    assert (record.grown.levels, record.grown.model) == (1, str(small))

    coarse, whole = load_model(small), load_model(tmp_path / "run/model")
    for place, level in enumerate(coarse.levels):
        kept = whole.level(place + 1).state_dict()
        assert all(torch.equal(each, kept[name]) for name, each in level.state_dict().items())
    fresh = flowzoo.create_model("mrcnf", (1, 8, 8), bins=17, pixels=PIXELS, seed=0, **LARGE["options"])
    before, after = fresh.level(0).state_dict(), whole.level(0).state_dict()
    assert any(not torch.equal(each, before[name]) for name, each in after.items())


def test_the_likelihood_of_the_coarse_image_is_the_trained_model_s(
    start: Start, tmp_path: Path, small: Path
) -> None:
    start(tmp_path / "run", grow_from=str(small), **LARGE)
    whole, coarse = load_model(tmp_path / "run/model"), load_model(small)
    x = torch.rand(3, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    exact = Call(solver=Solving(exact=True))
    of_levels = sum(sum_terms(each) for each in whole.terms(x, exact).levels[1:])
    of_model = sum(sum_terms(each) for each in coarse.terms(downscale(whole, x, 1).float(), exact).levels)
    torch.testing.assert_close(of_levels, of_model, atol=1e-3, rtol=1e-4)


def test_an_interrupted_run_grows_on(start: Start, tmp_path: Path, small: Path) -> None:
    start(tmp_path / "whole", grow_from=str(small), **LARGE)

    class Stops(Reporter):
        def update(self, progress: Progress) -> None:
            if progress.step == 3:
                raise KeyboardInterrupt

    cut = tmp_path / "cut"
    with pytest.raises(KeyboardInterrupt):
        start(cut, grow_from=str(small), reporter=Stops(), **LARGE)
    for gone in (False, True):
        if gone:
            (cut / "checkpoint.safetensors").unlink()
        resume_run(cut, device="cpu")
        first, second = (load_model(each / "model").state_dict() for each in (tmp_path / "whole", cut))
        assert all(torch.equal(each, second[name]) for name, each in first.items())
    (cut / "checkpoint.safetensors").unlink()
    train_small(small, seed=1)
    with pytest.raises(SavedModelError, match="another model than the one from which"):
        resume_run(cut, device="cpu")


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        ("mrcnf", {**TINY, "levels": 2}, "needs more: --set levels=3"),
        ("mrcnf", {**TINY, "levels": 4}, r"images of the shape \(1, 2, 2\)"),
        ("mrcnf", {**TINY, "levels": 3, "pixels": "affine"}, "their options differ: pixels"),
        ("mrcnf", {**TINY, "levels": 3, "normalise": "standardise"}, "their options differ: normalise"),
        ("mrcnf", {**TINY, "levels": 3, "transform": "haar"}, "their options differ: transform"),
        ("glow", {"levels": 3}, "depend on each other's parameters"),
    ],
)
def test_what_does_not_fit_is_refused(
    small: Path, model: str, options: dict[str, object], message: str
) -> None:
    flow = flowzoo.create_model(model, (1, 8, 8), bins=17, **{"pixels": PIXELS, **options})
    with pytest.raises(OptionError, match=message):
        grow(flow, str(small))
