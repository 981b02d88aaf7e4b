"""A model family, as data."""

from flowzoo.api import Check, Component, Spec, hookimpl

flowzoo_api_version = 2


@hookimpl
def flowzoo_components() -> list[Component]:
    return [
        Component(
            kind="model",
            name="haar-gaussian",
            build="flowzoo.api:cascade_model",
            summary="Haar details, each a Gaussian given the coarse image",
            defaults={
                "levels": 2,
                "transform": Spec("haar"),
                "split": Spec("keep-first-channels", divisor=4),
                "bijector": Spec("gaussian"),
            },
            check=Check(shape=(1, 4, 4)),
        )
    ]
