"""A data set."""

from typing import Annotated

from pydantic import Field

from flowzoo.api import Component, Dataset, hookimpl

flowzoo_api_version = 2


def build_stripes(*, count: Annotated[int, Field(ge=30, description="Number of images.")] = 300) -> Dataset:
    import numpy as np

    from flowzoo.api import in_memory

    images = np.random.RandomState(0).randint(0, 256, (count, 1, 4, 4)).astype(np.uint8)
    test, validation = count // 10, count // 5
    return in_memory(
        "stripes",
        {"train": images[validation:], "validation": images[test:validation], "test": images[:test]},
        bins=256,
        licence="CC0",
        source="drawn by the plugin",
        pixels={"name": "affine"},
    )


@hookimpl
def flowzoo_components() -> list[Component]:
    return [Component("dataset", "stripes", f"{__name__}:build_stripes", "Images drawn at random")]
