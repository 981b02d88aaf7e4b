"""The library ``huggingface_hub``, imported when it is needed, and its errors in one line each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from flowzoo.errors import FlowzooError, HubError
from flowzoo.hub.name import HubName

LOG_IN = "Log in with a token of your account: hf auth login"


def library() -> Any:
    """Return the library.

    Raises:
        HubError: It is not installed.
    """
    try:
        import huggingface_hub
        import huggingface_hub.errors
    except ImportError as reason:
        raise HubError(
            "models on the hub need the library huggingface_hub, which is not installed. Install it: "
            "pip install 'flowzoo[hub]'"
        ) from reason
    return huggingface_hub


@contextmanager
def explained(name: HubName, doing: str) -> Iterator[None]:
    """Turn the library's errors into a :class:`~flowzoo.errors.HubError`.

    Args:
        name: The model.
        doing: What is done with it: ``read`` or ``write``.
    """
    try:
        yield
    except FlowzooError:
        raise
    except Exception as error:  # the library passes on any exception of its HTTP client
        raise HubError(in_words(error, name, doing)) from error


def answered(error: Exception) -> bool:
    """Whether an error is the hub's answer; otherwise the hub was not reached, or is out of order."""
    status = _status(error)
    return status is not None and status < 500 and status != 429


def in_words(error: Exception, name: HubName, doing: str) -> str:
    """Return the problem, its cause and what to do, in one line; arguments as in :func:`explained`."""
    errors = library().errors
    repository = name.repository
    if isinstance(error, errors.GatedRepoError):
        return (
            f"{name} is gated: its owner decides who may {doing} it. Ask for access on its page, "
            f"{repository}, and log in: hf auth login"
        )
    if isinstance(error, errors.RevisionNotFoundError):
        return (
            f"{repository} has no revision '{name.revision or 'main'}'; it may have been deleted. Choose one "
            f"of its commits or tags, or leave @{name.revision or 'main'} out for the newest"
        )
    if isinstance(error, errors.RepositoryNotFoundError):
        return (
            f"there is no model {repository} on the hub that you may {doing}: the name is wrong, or it is "
            f"private. Check the name. For a private one: {LOG_IN[:1].lower()}{LOG_IN[1:]}"
        )
    status = _status(error)
    if status == 401:
        return f"the hub does not know who wants to {doing} {repository}. {LOG_IN}"
    if status == 403:
        return f"your account may not {doing} {repository}. Use a token that has permission: hf auth login"
    return f"cannot {doing} {name}: {short(error)}. Try again later"


def short(error: Exception) -> str:
    """Return the first line of an error, of that which caused it if there is one."""
    if isinstance(error.__cause__, Exception):
        return short(error.__cause__)
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:200].rstrip('.')}" if lines else type(error).__name__


def _status(error: Exception) -> int | None:
    status = getattr(getattr(error, "response", None), "status_code", None)
    return status if isinstance(status, int) else None
