"""Measures how well a score tells test images from other images."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal

from pydantic import Field

from flowzoo.metric import Measurement, Metric, Trained
from flowzoo.ood.detect import Against, detect_ood

ScoreName = Literal["likelihood", "typicality", "likelihood + png", "likelihood + webp", "gradient"]


@dataclass(frozen=True, kw_only=True)
class OutOfDistribution(Metric):
    """AUROC of a score for test images against another set of images; ``details`` hold all other scores.

    See :func:`flowzoo.ood.detect.detect_ood`.
    """

    against: Annotated[
        str, Field(description="Name of a data set whose images have the model's shape, noise, or constant.")
    ] = "constant"
    score: Annotated[ScoreName, Field(description="The score whose AUROC is the figure.")] = "typicality"
    images: Annotated[int, Field(ge=2, description="Number of images of each set.")] = 200
    training_images: Annotated[
        int, Field(ge=1, description="Number of training images that show what is typical.")
    ] = 200
    fit: Annotated[bool, Field(description="Scale images of another shape to the model's.")] = False

    def measure(self, trained: Trained) -> Measurement:
        found = detect_ood(
            trained.flow,
            self.against,
            trained.dataset,
            images=self.images,
            training_images=self.training_images,
            gradient=self.score == "gradient",
            fit=self.fit,
            seed=trained.seed,
        )
        (against,) = found.against
        aurocs = {each.name: each.separation.auroc for each in against.scores}
        figure = aurocs[self.score]
        return Measurement(
            value=figure.value,
            unit="AUROC",
            better="higher",
            # An interval of 95 % is about four standard errors wide.
            error=None if figure.low is None or figure.high is None else (figure.high - figure.low) / 4,
            conditions={
                "against": against.other,
                "score": self.score,
                "images": found.images,
                "other_images": against.images,
                "training_images": found.training_images,
            },
            details={"bits_per_dim": against.bits_per_dim, "scores": _all_scores(against)},
        )


def _all_scores(against: Against) -> dict[str, Any]:
    return {each.name: asdict(each.separation) for each in against.scores}
