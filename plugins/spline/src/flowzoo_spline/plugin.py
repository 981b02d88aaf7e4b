"""What this plugin registers. Nothing here imports torch."""

from __future__ import annotations

from flowzoo.api import Check, Component, hookimpl

flowzoo_api_version = 2


@hookimpl
def flowzoo_components() -> list[Component]:
    return [
        Component(
            kind="bijector",
            name="spline",
            build="flowzoo_spline.bijector:build_spline",
            summary="Couplings of monotone rational-quadratic splines",
            reference="Durkan, Bekasov, Murray and Papamakarios, Neural Spline Flows, 2019, arXiv:1906.04032",
            check=Check(
                shape=(2, 2, 2),
                context_shape=(1, 2, 2),
                options={"layers": 2, "bins": 4, "bound": 3.0, "network": {"hidden": 4, "blocks": 1}},
            ),
        ),
    ]
