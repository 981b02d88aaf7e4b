"""The hook through which all plugins, also the built-in one, bring their components."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from flowzoo.component import Component

GROUP = "flowzoo"
"""Entry-point group, and the name that pluggy's markers carry."""

API_VERSION = (2, 0)
"""Version of :mod:`flowzoo.api`: the major number grows if a plugin may break, the minor one with additions.

A plugin states the version that it was written for: ``flowzoo_api_version = 2``, or ``(2, 1)`` if it uses
what version 2.1 added.
"""

hookspec = pluggy.HookspecMarker(GROUP)
hookimpl = pluggy.HookimplMarker(GROUP)


@hookspec
def flowzoo_components() -> list[Component]:
    """Return the components that the plugin brings.

    The module that implements this must not import torch: listing the zoo calls it.
    """
    raise NotImplementedError  # pluggy calls the implementations, never the specification
