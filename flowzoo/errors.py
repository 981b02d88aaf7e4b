"""Errors that a user can fix. Each message states the problem, its cause and the fix."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class FlowzooError(Exception):
    """Base of every error that a user can fix. The command line shows it as one line."""


class UnknownNameError(FlowzooError, LookupError):
    """A component, split or option name that does not exist."""


class OptionError(FlowzooError, ValueError):
    """An option with an unknown name, a wrong type or a value out of range."""


class ShapeError(FlowzooError, ValueError):
    """A tensor or image shape that a component cannot work with."""


class DataError(FlowzooError, ValueError):
    """Images that are missing, damaged or out of range."""


class NotInitialisedError(FlowzooError, RuntimeError):
    """A component that needs a first pass over data was used before it."""


class NumericalError(FlowzooError, ArithmeticError):
    """A loss, a likelihood or a solver result that is not a finite number."""


class PartError(FlowzooError, TypeError):
    """A module of the wrong kind for its place."""


class PluginError(FlowzooError):
    """A plugin that could not be loaded, or that clashes with another."""


class FileError(FlowzooError, OSError):
    """A file or folder that cannot be written."""


class InUseError(FlowzooError):
    """A folder in which another process is working."""


class SavedModelError(FlowzooError):
    """A saved model or run folder that is missing, damaged or does not fit what is installed."""


class HubError(SavedModelError):
    """A model on the Hugging Face hub that does not exist, or that cannot be read or written."""


class ExportError(FlowzooError):
    """A model that cannot become a graph of ``torch.export`` or ONNX."""


class UnwritableModelError(SavedModelError, FileError):
    """A model that cannot be saved because the system does not let its files be written."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the known name nearest to ``name``, or ``""``.

    >>> did_you_mean("cfn", ["cnf", "glow"])
    "; did you mean 'cnf'?"
    """
    matches = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"; did you mean '{matches[0]}'?" if matches else ""
