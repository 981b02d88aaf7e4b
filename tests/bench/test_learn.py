"""``make learn`` finds what no check of likelihoods finds: a gradient that is wrong."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from flowzoo.registry.loader import default_registry
from flowzoo.testing import run_check, trial_of

LEARN = Path(__file__).parents[2] / "benchmarks/learn/learn.py"


@pytest.fixture
def learn() -> Iterator[ModuleType]:
    spec = importlib.util.spec_from_file_location("learn", LEARN)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["learn"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["learn"]


def test_every_model_has_a_record(learn: ModuleType) -> None:
    record = learn.read_record()
    assert set(record) == set(default_registry().names("model"))
    for model, learnt in record.items():
        # Uniform noise over the 17 values of digits takes 4.09 bits/dim.
        assert 1.5 < learnt.bits_per_dim < 3.5, model
        assert 0 < learnt.tolerance <= 0.1, model


def test_a_model_that_learnt_less_or_has_no_record_is_a_fault(learn: ModuleType) -> None:
    record = {"good": learn.Learnt(2.0, steps=200, tolerance=0.05)}
    assert learn.faults({"good": 2.04}, record) == []
    assert learn.faults({"good": 1.5}, record) == []
    (worse,) = learn.faults({"good": 2.06}, record)
    assert "good" in worse
    (lost,) = learn.faults({"good": float("nan")}, record)
    assert "good" in lost
    (unknown,) = learn.faults({"new": 1.0}, record)
    assert "new" in unknown


def test_a_wrong_gradient_with_a_right_likelihood_is_found(learn: ModuleType, planted_plugin: None) -> None:
    for check in ("round-trip", "log-det"):
        result = run_check(trial_of("bijector", "planted", mistake="wrong gradient"), check)
        assert result.passed, result.detail

    sound = learn.learn("planted", steps=30, settings=["mistake=none"])
    wrong = learn.learn("planted", steps=30, settings=["mistake=wrong gradient"])

    recorded = {"planted": learn.Learnt(sound, steps=30)}
    assert learn.faults({"planted": sound}, recorded) == []
    assert len(learn.faults({"planted": wrong}, recorded)) == 1, f"{wrong} beside {sound}"
