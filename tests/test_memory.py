"""What modules keep between batches."""

from __future__ import annotations

import json

from torch import nn

from flowzoo.memory import Memory


def model() -> nn.Sequential:
    return nn.Sequential(nn.Linear(1, 1), nn.Sequential(nn.Linear(1, 1)))


def test_a_module_recalls_what_it_kept() -> None:
    root = model()
    memory = Memory(root)

    memory.keep(root[0], "steps", 3)
    memory.keep(root[0], "grid", [0.0, 0.5, 1.0])
    memory.keep(root[0], "steps", 4)

    assert memory.recall(root[0], "steps") == 4
    assert memory.recall(root[0], "grid") == [0.0, 0.5, 1.0]


def test_nothing_is_recalled_of_what_was_not_kept() -> None:
    root = model()
    memory = Memory(root)

    memory.keep(root[0], "steps", 3)

    assert memory.recall(root[0], "grid") is None
    assert memory.recall(root[1], "steps") is None


def test_modules_are_known_by_their_names() -> None:
    root = model()
    memory = Memory(root)

    memory.keep(root[1][0], "steps", 3)

    assert memory.name(root) == ""
    assert memory.name(root[1][0]) == "1.0"
    assert memory.state() == {"1.0": {"steps": 3}}


def test_modules_of_another_model_leave_no_notes() -> None:
    root, stranger = model(), nn.Linear(1, 1)
    memory = Memory(root)

    memory.keep(stranger, "steps", 4)

    assert memory.state() == {}
    assert memory.recall(stranger, "steps") is None


def test_modules_of_another_model_find_no_notes() -> None:
    root, stranger = model(), nn.Linear(1, 1)
    memory = Memory(root)

    memory.keep(root, "steps", 3)

    assert memory.recall(root, "steps") == 3
    assert memory.recall(stranger, "steps") is None


def test_nothing_is_kept_once_frozen() -> None:
    root = model()
    memory = Memory(root)
    memory.keep(root[0], "steps", 3)

    memory.frozen = True
    memory.keep(root[0], "steps", 4)
    memory.keep(root[1], "steps", 5)

    assert memory.state() == {"0": {"steps": 3}}


def test_another_memory_goes_on_from_saved_notes() -> None:
    root, again = model(), model()
    memory = Memory(root)
    memory.keep(root[1][0], "grid", (0.0, 1.0))

    restored = Memory(again, json.loads(json.dumps(memory.state())))

    assert restored.recall(again[1][0], "grid") == [0.0, 1.0]
    assert restored.state() == memory.state()


def test_what_is_saved_does_not_change_with_later_notes() -> None:
    root = model()
    memory = Memory(root)
    memory.keep(root[0], "grid", [0.0, 1.0])
    saved = memory.state()
    restored = Memory(root, saved)

    memory.recall(root[0], "grid").append(2.0)
    restored.keep(root[0], "grid", [5.0])
    restored.keep(root[0], "steps", 3)

    assert saved == {"0": {"grid": [0.0, 1.0]}}
