"""Figures that rest on bits/dim are worth no more than these."""

from __future__ import annotations

from flowzoo.bench.measure import _resting_on_likelihood
from flowzoo.metric import Measurement


def test_a_time_to_bits_per_dim_falls_with_the_density_that_they_are_not_of() -> None:
    time = Measurement(3.0, "s", "lower", conditions={"bits_per_dim": 2.0})
    speed = Measurement(9.0, "images/s", "higher")
    failed = Measurement(1.0, "bits/dim", "lower", valid=False, objections=("no density: x",))

    found = _resting_on_likelihood({"time-to-bpd": time, "speed": speed, "bits-per-dim": failed})

    assert (found["speed"], found["bits-per-dim"]) == (speed, failed)
    assert not found["time-to-bpd"].valid
    assert "no density: x" in found["time-to-bpd"].objections[0]


def test_beside_a_valid_likelihood_all_figures_stand() -> None:
    time = Measurement(3.0, "s", "lower", conditions={"bits_per_dim": 2.0})
    metrics = {"time-to-bpd": time, "bits-per-dim": Measurement(1.0, "bits/dim", "lower")}

    assert _resting_on_likelihood(metrics) == metrics
