"""Turns docstrings into Markdown: roles of Sphinx and examples become code, and ``::`` becomes ``:``."""

from __future__ import annotations

import re
from typing import Any

import griffe

EXAMPLE = re.compile(r"^>>> (?:.+\n?)+", re.MULTILINE)
ROLE = re.compile(r":(?:class|func|meth|data|mod|attr|exc):`(~?)([\w.]+)`")


class Markdown(griffe.Extension):
    """Rewrites every docstring when its object has been read."""

    def on_instance(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Rewrite one docstring."""
        if obj.docstring is not None:
            obj.docstring.value = markdown(obj.docstring.value)


def markdown(text: str) -> str:
    """Return a docstring's text in Markdown.

    >>> markdown("See :class:`~flowzoo.flow.Flow`, as in::")
    'See `Flow`, as in:'
    """
    text = ROLE.sub(lambda role: f"`{role[2].rpartition('.')[2] if role[1] else role[2]}`", text)
    text = EXAMPLE.sub(lambda example: f"```pycon\n{example[0].rstrip()}\n```\n", text)
    return re.sub(r"::$", ":", text, flags=re.MULTILINE)
