"""A metric."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from flowzoo.api import Component, Measurement, Metric, Trained, hookimpl, sequential_batches

flowzoo_api_version = 2


@dataclass(frozen=True, kw_only=True)
class Brightness(Metric):
    """How much brighter samples are than test images."""

    images: Annotated[int, Field(ge=1, description="Number of samples and of test images.")] = 50

    def measure(self, trained: Trained) -> Measurement:
        flow = trained.flow
        batches = sequential_batches(trained.dataset.split("test"), 25, self.images)
        real = [images.double().mean().item() / flow.bins for _, images in batches]
        drawn = flow.sample(self.images, seed=trained.seed).double().mean().item()
        return Measurement(drawn - sum(real) / len(real), unit="", conditions={"images": self.images})


@hookimpl
def flowzoo_components() -> list[Component]:
    return [Component("metric", "brightness", f"{__name__}:Brightness", "Brightness of samples")]
