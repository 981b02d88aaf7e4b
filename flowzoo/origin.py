"""From which component of the zoo an object was built, so that what goes wrong in it can be named."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import TracebackType

from flowzoo.errors import FlowzooError

_MARK = "_flowzoo_origin"


def mark(built: object, component: str) -> None:
    """Note on an object from which component it was built, as in ``bijector 'glow' of flowzoo-coupling 0.1``.

    The note goes along with copies. An object that has one already, since its component hands on what another
    one built, keeps it.
    """
    if not origin_of(built):
        with suppress(AttributeError, TypeError):  # plain data, such as a suite's mapping, takes no note
            object.__setattr__(built, _MARK, component)


def origin_of(built: object) -> str:
    """Return from which component an object was built; empty if that is not known."""
    origin: str = getattr(built, "__dict__", {}).get(_MARK, "")
    return origin


def name_of(built: object) -> str:
    """Return from which component an object was built, or else the name of its class."""
    return origin_of(built) or type(built).__name__


def raised_in(error: BaseException) -> str:
    """Return in which component an exception was raised; empty if in none.

    A component inside another one is named with the one around it: ``network 'a' of x 1.0, inside bijector
    'b' of x 1.0``. Where one exception was raised from another one, that one counts.
    """
    if error.__cause__ is not None and (cause := raised_in(error.__cause__)):
        return cause
    found: list[str] = []
    traceback: TracebackType | None = error.__traceback__
    while traceback is not None:
        origin = origin_of(traceback.tb_frame.f_locals.get("self"))
        if origin and origin not in found:
            found.append(origin)
        traceback = traceback.tb_next
    return ", inside ".join(reversed(found[-2:]))


def blamed(error: BaseException) -> str:
    """Return an exception in one line, with the component that it was raised in, if that is known."""
    component = raised_in(error)
    message = " ".join(str(error).split())
    if isinstance(error, FlowzooError):
        return f"{message} (in {component})" if component and component not in message else message
    said = f"{type(error).__name__}: {message}" if message else type(error).__name__
    return f"{component} failed: {said}" if component else said


@contextmanager
def naming_the_component() -> Iterator[None]:
    """Add to an exception in which component it was raised; it stays what it is.

    For calls of whole models, where a traceback goes through many files before it ends in a plugin's.
    """
    try:
        yield
    except Exception as error:
        component = raised_in(error)
        if component:
            error.add_note(f"raised in {component}")
        raise
