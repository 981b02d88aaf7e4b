from __future__ import annotations

import pytest

from flowzoo.bench.stage_times import StageTimes


def test_every_stage_has_its_seconds_and_the_audit_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    times = StageTimes()
    for seconds, stage in (
        (0.2, "training, first pass"),  # starting took no time
        (10.0, "training, all levels"),
        (31.0, "measuring bits-per-dim"),
        (0.0, "measuring bits-per-dim, images"),
        (5.0, "measuring bits-per-dim, audit"),
    ):
        now += seconds
        times.enter(stage)
    now += 0.1

    assert times.stage == "measuring bits-per-dim, audit"
    assert times.in_words() == (
        "training 41 s; measuring bits-per-dim, images 5 s; measuring bits-per-dim, audit 0 s"
    )
