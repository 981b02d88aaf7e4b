"""Records which component built an object, so that errors can name it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import TracebackType

from flowzoo.errors import FlowzooError

_MARK = "_flowzoo_origin"


def mark(built: object, component: str) -> None:
    """Mark an object with the component that built it, as in ``bijector 'glow' of flowzoo-coupling 0.1``.

    Copies keep the mark. An object that is marked already, since its component returns what another
    one built, keeps its mark.
    """
    if not origin_of(built):
        with suppress(AttributeError, TypeError):  # plain data, such as a suite's mapping, cannot be marked
            object.__setattr__(built, _MARK, component)


def origin_of(built: object) -> str:
    """Return the component that built an object; empty if that is not known."""
    origin: str = getattr(built, "__dict__", {}).get(_MARK, "")
    return origin


def name_of(built: object) -> str:
    """Return the component that built an object, or the name of its class."""
    return origin_of(built) or type(built).__name__


def raised_in(error: BaseException) -> str:
    """Return the component in which an exception was raised; empty if there is none.

    A component inside another one is named with the one around it: ``network 'a' of x 1.0, inside bijector
    'b' of x 1.0``. If an exception was raised from another one, the other one counts.
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
    """Add the component in which it was raised to an exception, without changing its type.

    This is for calls of whole models, whose tracebacks go through many files before they end in a plugin.
    """
    try:
        yield
    except Exception as error:
        component = raised_in(error)
        if component:
            error.add_note(f"raised in {component}")
        raise
