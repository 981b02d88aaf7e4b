"""The tiny model that metrics are tried on is like one that was trained."""

from __future__ import annotations

import copy
import math
from dataclasses import replace

import pytest

from flowzoo.dequantisation import dequantise
from flowzoo.errors import DataError
from flowzoo.experiment.training_options import TrainingOptions, parse_training_options
from flowzoo.metric import Measurement, Metric, Trained
from flowzoo.testing import Trial, checks_for, run_check
from flowzoo.testing.metrics import LOG, TRAINING, tiny_trained
from flowzoo.training.stage import plan_stages
from tests.testing.broken.example import after
from tests.testing.broken.metrics import METRIC, Brightness


def test_all_options_of_the_trainer_are_there() -> None:
    assert TRAINING.keys() == TrainingOptions.model_fields.keys()
    assert parse_training_options(TRAINING).batch_size == 8


def test_it_has_two_levels_that_train_and_ends_where_its_log_does() -> None:
    trained = tiny_trained((2, 4, 4))

    (stage,) = plan_stages(trained.flow, parse_training_options(trained.training))
    assert len(stage.parameters(trained.flow)) == 4
    assert LOG[-1]["step"] == trained.steps
    assert LOG[-1]["seconds"] < trained.seconds


class Refusing(Brightness):
    """Measures what has so many bins only."""

    def __init__(self, *bins: int) -> None:
        self.bins = bins

    def measure(self, trained: Trained) -> Measurement:
        if trained.flow.bins not in self.bins:
            raise DataError(f"bins is {trained.flow.bins}; allowed: {self.bins}")
        return super().measure(trained)


class Working(Metric):
    """Does to a copy of the model all that must not be done to the model."""

    def measure(self, trained: Trained) -> Measurement:
        flow = copy.deepcopy(trained.flow).train().requires_grad_(False).double()
        flow.register_forward_hook(lambda *_: None)
        images = trained.dataset.split("test").take(range(8))
        images_in_double = dequantise(images.to(flow.device), flow.bins)
        value = float(flow.log_prob(images_in_double.double()).mean())
        return Measurement(value, "nats")


def trial(metric: Metric) -> Trial:
    return replace(METRIC.trial(), make=lambda _: metric)


@pytest.mark.parametrize("check", checks_for("metric"))
def test_metrics_for_bytes_alone_are_tried_on_bytes(check: str) -> None:
    result = run_check(trial(Refusing(256)), check)

    assert result.passed, result.detail
    assert result.note == ""


def test_what_is_wrong_with_a_metric_for_bytes_is_found() -> None:
    loud = trial(after("measure", lambda found, *_: replace(found, value=math.nan))(Refusing(256)))

    assert not run_check(loud, "figure").passed


def test_a_metric_that_refuses_every_tiny_model_is_said_to_be_untried() -> None:
    results = {check: run_check(trial(Refusing()), check) for check in checks_for("metric")}

    assert all(each.passed for each in results.values())
    assert results["declaration"].note == ""
    untried = [each for name, each in results.items() if name != "declaration"]
    assert all("bins is 256; allowed: ()" in each.note for each in untried)


@pytest.mark.parametrize("check", checks_for("metric"))
def test_a_copy_of_the_model_is_free_for_all(check: str) -> None:
    result = run_check(trial(Working()), check)

    assert result.passed, result.detail
