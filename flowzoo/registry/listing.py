"""Names of models, without an import of torch."""

from __future__ import annotations

from flowzoo.registry.loader import default_registry


def list_models(pattern: str = "*") -> list[str]:
    """Return the names of the installed models that match a pattern with shell wildcards.

    >>> list_models("gauss*")
    ['gaussian']
    """
    return default_registry().names("model", pattern)
