"""The values that components keep from one batch to the next, such as a solver's number of steps."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from torch import nn


class WarmStart:
    """Values that the modules of a model keep for their next call.

    It belongs to the code that computes the batches: a training, which saves it with its checkpoints, or an
    evaluation, which lets the model keep values on some pilot images and freezes them, so that every image
    uses the same settings.

    Args:
        root: The model; its modules are known by their names in it.
        known: Values that :meth:`state` returned before.
    """

    def __init__(self, root: nn.Module, known: Mapping[str, Mapping[str, Any]] | None = None) -> None:
        self._names: dict[nn.Module, str] = {module: name for name, module in root.named_modules()}
        self._notes: dict[str, dict[str, Any]] = {name: dict(notes) for name, notes in (known or {}).items()}
        self.frozen = False

    def recall(self, module: nn.Module, key: str) -> Any | None:
        """Return the value that a module has kept under a key; None if there is none."""
        return self._notes.get(self._names[module], {}).get(key) if module in self._names else None

    def keep(self, module: nn.Module, key: str, value: Any) -> None:
        """Keep a value, one that JSON can hold; nothing once frozen, or for a module of another model."""
        if not self.frozen and module in self._names:
            self._notes.setdefault(self._names[module], {})[key] = value

    def name(self, module: nn.Module) -> str:
        """Return a module's name in the model."""
        return self._names.get(module, "")

    def return_to(self, known: Mapping[str, Mapping[str, Any]]) -> None:
        """Put values that :meth:`state` returned in place of all values."""
        self._notes = {name: dict(notes) for name, notes in known.items()}

    def state(self) -> dict[str, dict[str, Any]]:
        """Return a copy of all values, by module name and key."""
        notes: dict[str, dict[str, Any]] = json.loads(json.dumps(self._notes))
        return notes
