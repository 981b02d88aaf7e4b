"""The ablation of the papers is a matter of flags."""

from __future__ import annotations

import pytest

import flowzoo
from flowzoo.api import OptionError
from flowzoo.cli.settings import read_settings
from flowzoo_cnf.cnf import CNF


@pytest.mark.parametrize(
    ("model", "flags", "kinetic", "jacobian", "steer"),
    [
        ("ffjord", [], 0.0, 0.0, 0.0),
        ("ffjord", ["bijector.objective=likelihood", "bijector.steer=0.5"], 0.0, 0.0, 0.5),
        ("rnode", [], 0.01, 0.01, 0.0),
        ("rnode", ["bijector.steer=0.5"], 0.01, 0.01, 0.5),
        ("ffjord", ["bijector.kinetic=0.01"], 0.01, 0.0, 0.0),
        ("ffjord", ["bijector.jacobian=0.01"], 0.0, 0.01, 0.0),
    ],
)
def test_flags_reach_the_flow(
    model: str, flags: list[str], kinetic: float, jacobian: float, steer: float
) -> None:
    options = read_settings(None, [*flags, "bijector.network={name: conv-field, hidden: 4}"]).options
    built = flowzoo.create_model(model, (1, 4, 4), **options)
    (flow,) = [module for module in built.modules() if isinstance(module, CNF)]
    settings = flow.settings
    assert (settings.kinetic, settings.jacobian, settings.steer) == (kinetic, jacobian, steer)
    default = {"ffjord": "flow-matching", "rnode": "flow-matching+likelihood"}[model]
    assert settings.objective == (options["bijector"].get("objective", default))


def test_steer_without_a_solve_is_refused() -> None:
    with pytest.raises(OptionError, match="set objective=likelihood or flow-matching"):
        flowzoo.create_model("ffjord", (1, 4, 4), bijector={"steer": 0.5})
