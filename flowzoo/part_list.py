"""A list of modules of one kind, from which a container computes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Generic, SupportsIndex, TypeVar, cast, overload

from torch import nn

from flowzoo.errors import PartError

P = TypeVar("P", bound=nn.Module)


class PartList(nn.ModuleList, Generic[P]):
    """A ``torch.nn.ModuleList`` that accepts only modules of one interface, also later.

    A wrapper of such a module is accepted too if it forwards the attributes of the interface, as the result
    of ``torch.compile`` does.

    Args:
        parts: In the order of use.
        interface: The class of each part.

    Raises:
        PartError: A part is of another kind; also if it is assigned, appended or inserted later.

    >>> layers = PartList([nn.Linear(2, 2)], nn.Linear)
    >>> layers[0] = nn.Linear(2, 2, bias=False)
    >>> layers[0].bias is None
    True
    """

    def __init__(self, parts: Iterable[P], interface: type[nn.Module]) -> None:
        super().__init__()
        self._interface = interface
        self.extend(parts)

    def __iter__(self) -> Iterator[P]:
        return cast(Iterator[P], iter(self._modules.values()))

    def __reversed__(self) -> Iterator[P]:
        return reversed(list(self))

    @overload  # type: ignore[override]  # a slice is a list: nothing computes from it
    def __getitem__(self, place: SupportsIndex) -> P: ...

    @overload
    def __getitem__(self, place: slice) -> list[P]: ...

    def __getitem__(self, place: SupportsIndex | slice) -> P | list[P]:
        return list(self)[place]

    def __setitem__(self, place: int, part: nn.Module) -> None:
        require_part("a list of parts", part, self._interface)
        super().__setitem__(place, part)

    def insert(self, place: int, part: nn.Module) -> None:
        """See ``torch.nn.ModuleList.insert``."""
        require_part("a list of parts", part, self._interface)
        super().insert(place, part)

    def add_module(self, name: str, part: nn.Module | None) -> None:
        """See ``torch.nn.Module.add_module``; ``append`` and ``extend`` come through here."""
        require_part("a list of parts", part, self._interface)
        super().add_module(name, part)

    def _get_name(self) -> str:
        return nn.ModuleList.__name__


def require_part(owner: str, part: Any, interface: type[nn.Module]) -> None:
    """Refuse an object that neither is of an interface nor forwards all of its attributes.

    Args:
        owner: Name of the container in the error.
        part: The object.
        interface: The class that the container computes with.

    Raises:
        PartError: It is of another kind.
    """
    if isinstance(part, interface):
        return
    taken = f"{owner} got a {type(part).__name__} where it takes a {interface.__name__}"
    if not isinstance(part, nn.Module):
        raise PartError(taken)
    lacking = [name for name in vars(interface) if not name.startswith("_") and not hasattr(part, name)]
    if lacking:
        raise PartError(
            f"{taken}, and it lacks {', '.join(lacking)}. A wrapper must forward these, as torch.compile's "
            "does. To wrap everything, wrap the whole model"
        )
