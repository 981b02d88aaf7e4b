"""Passes over the training images that are no steps: the first pass, and the scores that splits need."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from flowzoo.call import Call
from flowzoo.data.batches import Batch
from flowzoo.data.dataset import Dataset
from flowzoo.experiment.training_options import TrainingOptions
from flowzoo.first_pass_end import remarks
from flowzoo.flow import Flow
from flowzoo.scoring import Scores, gather_scores, scored_levels
from flowzoo.training.reporter import Progress, Reporter, WorkReport


class Passes:
    """Makes passes over the training images, and reports them.

    Args:
        dataset: Its training images are used.
        options: Sizes of the batches.
        generator: Where noise and all else that is random comes from.
        reporter: Receives the progress, and what there is to say of the first pass.
        steps: Number of steps of the whole training, for the progress; None for a budget in seconds.
        stages: Number of stages of the training, for the progress.
    """

    def __init__(
        self,
        dataset: Dataset,
        options: TrainingOptions,
        generator: torch.Generator,
        reporter: Reporter,
        steps: int | None,
        stages: int,
    ) -> None:
        self._source = dataset.split("train")
        self._options = options
        self._generator = generator
        self._reporter = reporter
        self._steps = steps
        self._stages = stages

    def first(self, flow: Flow) -> None:
        """Initialise a model from the data."""
        report = self._work_report("first pass over the data, which may end early", 0)
        total = len(self._source)
        done = 0

        def batches() -> Iterator[Batch]:
            nonlocal done
            for images, labels in self._random_batches(self._options.initial_images):
                yield Batch(images, labels if flow.classes else None)
                done += len(images)
                report(done, total)

        flow.initialise(batches(), self._generator)
        for remark in remarks(flow):
            self._reporter.note(remark)

    def try_scores(self, flow: Flow, scoring: Flow) -> None:
        """Fail at once if ``scoring`` cannot score the splits of ``flow``, instead of after training it."""
        call = Call().seeded()
        gather_scores(
            scoring, scored_levels(flow), self._dequantised(scoring, 2, call), call, lambda count: None
        )

    def scores(self, flow: Flow, scoring: Flow, step: int) -> list[Scores]:
        """Return the scores that splits of ``flow`` need.

        Args:
            flow: The model whose splits need scores.
            scoring: The trained model that gathers them.
            step: Number of steps so far, for the progress.
        """
        call = Call(generator=self._generator).seeded()
        report = self._work_report("scoring the data", step)
        images = self._options.scoring_images
        done = 0

        def add(count: int) -> None:
            nonlocal done
            done += count
            report(done, images)

        return gather_scores(
            scoring, scored_levels(flow), self._dequantised(scoring, images, call), call, add
        )

    def _dequantised(self, flow: Flow, images: int, call: Call) -> Iterator[torch.Tensor]:
        batches = self._random_batches(self._options.validation_batch_size, images)
        return (flow.dequantise(batch.images, call).x for batch in batches)

    def _work_report(self, work: str, step: int) -> WorkReport:
        before = Progress("", step, 0.0, 0.0, 0.0, None, 0.0, None, self._steps, stages=self._stages)
        return WorkReport(self._reporter, work, before)

    def _random_batches(self, size: int, limit: int | None = None) -> Iterator[Batch]:
        """Yield training images in random order, since a data set may be sorted."""
        order = torch.randperm(len(self._source), generator=torch.Generator().manual_seed(0))[:limit]
        batches = [indices.tolist() for indices in order.split(size)]
        for indices, images in zip(batches, self._source.stream(batches), strict=True):
            yield Batch(images, self._source.labels_at(indices))
