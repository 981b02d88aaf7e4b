"""The tiny model that metrics are tried on is like one that was trained."""

from __future__ import annotations

from flowzoo.testing.metrics import LOG, TRAINING, tiny_trained
from flowzoo.training.options import TrainingOptions, parse_training_options
from flowzoo.training.stage import plan_stages


def test_all_options_of_the_trainer_are_there() -> None:
    assert TRAINING.keys() == TrainingOptions.model_fields.keys()
    assert parse_training_options(TRAINING).batch_size == 8


def test_it_has_two_levels_that_train_and_ends_where_its_log_does() -> None:
    trained = tiny_trained((2, 4, 4))

    (stage,) = plan_stages(trained.flow, parse_training_options(trained.training))
    assert len(stage.parameters(trained.flow)) == 4
    assert LOG[-1]["step"] == trained.steps
    assert LOG[-1]["seconds"] < trained.seconds
