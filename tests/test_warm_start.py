"""What modules keep between batches."""

from __future__ import annotations

import json

from torch import nn

from flowzoo.warm_start import WarmStart


def model() -> nn.Sequential:
    return nn.Sequential(nn.Linear(1, 1), nn.Sequential(nn.Linear(1, 1)))


def test_a_module_recalls_what_it_kept() -> None:
    root = model()
    warm_start = WarmStart(root)

    warm_start.keep(root[0], "steps", 3)
    warm_start.keep(root[0], "grid", [0.0, 0.5, 1.0])
    warm_start.keep(root[0], "steps", 4)

    assert warm_start.recall(root[0], "steps") == 4
    assert warm_start.recall(root[0], "grid") == [0.0, 0.5, 1.0]


def test_nothing_is_recalled_of_what_was_not_kept() -> None:
    root = model()
    warm_start = WarmStart(root)

    warm_start.keep(root[0], "steps", 3)

    assert warm_start.recall(root[0], "grid") is None
    assert warm_start.recall(root[1], "steps") is None


def test_modules_are_known_by_their_names() -> None:
    root = model()
    warm_start = WarmStart(root)

    warm_start.keep(root[1][0], "steps", 3)

    assert warm_start.name(root) == ""
    assert warm_start.name(root[1][0]) == "1.0"
    assert warm_start.state() == {"1.0": {"steps": 3}}


def test_modules_of_another_model_leave_no_notes() -> None:
    root, stranger = model(), nn.Linear(1, 1)
    warm_start = WarmStart(root)

    warm_start.keep(stranger, "steps", 4)

    assert warm_start.state() == {}
    assert warm_start.recall(stranger, "steps") is None


def test_modules_of_another_model_find_no_notes() -> None:
    root, stranger = model(), nn.Linear(1, 1)
    warm_start = WarmStart(root)

    warm_start.keep(root, "steps", 3)

    assert warm_start.recall(root, "steps") == 3
    assert warm_start.recall(stranger, "steps") is None


def test_nothing_is_kept_once_frozen() -> None:
    root = model()
    warm_start = WarmStart(root)
    warm_start.keep(root[0], "steps", 3)

    warm_start.frozen = True
    warm_start.keep(root[0], "steps", 4)
    warm_start.keep(root[1], "steps", 5)

    assert warm_start.state() == {"0": {"steps": 3}}


def test_another_memory_goes_on_from_saved_notes() -> None:
    root, again = model(), model()
    warm_start = WarmStart(root)
    warm_start.keep(root[1][0], "grid", (0.0, 1.0))

    restored = WarmStart(again, json.loads(json.dumps(warm_start.state())))

    assert restored.recall(again[1][0], "grid") == [0.0, 1.0]
    assert restored.state() == warm_start.state()


def test_what_is_saved_does_not_change_with_later_notes() -> None:
    root = model()
    warm_start = WarmStart(root)
    warm_start.keep(root[0], "grid", [0.0, 1.0])
    saved = warm_start.state()
    restored = WarmStart(root, saved)

    warm_start.recall(root[0], "grid").append(2.0)
    restored.keep(root[0], "grid", [5.0])
    restored.keep(root[0], "steps", 3)

    assert saved == {"0": {"grid": [0.0, 1.0]}}
