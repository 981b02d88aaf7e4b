"""Errors are caught by their family, and suggest the nearest name."""

from __future__ import annotations

import pytest

from flowzoo import errors


@pytest.mark.parametrize(
    ("error", "builtin"),
    [
        (errors.UnknownNameError, LookupError),
        (errors.OptionError, ValueError),
        (errors.ShapeError, ValueError),
        (errors.DataError, ValueError),
        (errors.NotInitialisedError, RuntimeError),
        (errors.NumericalError, ArithmeticError),
        (errors.PluginError, Exception),
        (errors.SavedModelError, Exception),
    ],
)
def test_an_error_is_ours_and_what_python_would_raise(error, builtin):
    assert issubclass(error, errors.FlowzooError)
    assert issubclass(error, builtin)
    assert str(error("no model 'x'")) == "no model 'x'"


@pytest.mark.parametrize(
    ("name", "known", "hint"),
    [
        ("cfn", ["cnf", "glow"], "; did you mean 'cnf'?"),
        ("gloww", ["cnf", "glow"], "; did you mean 'glow'?"),
        ("qqq", ["cnf", "glow"], ""),
        ("cnf", [], ""),
    ],
)
def test_the_nearest_name_is_suggested(name, known, hint):
    assert errors.did_you_mean(name, known) == hint
