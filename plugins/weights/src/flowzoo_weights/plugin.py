"""This plugin registers no component: the folders in ``pretrained`` beside this file are trained models."""

from __future__ import annotations

from flowzoo.api import Component, hookimpl

flowzoo_api_version = 2


@hookimpl
def flowzoo_components() -> list[Component]:
    return []
