"""``flowzoo check``: runs the conformance kit over one component."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from flowzoo.cli.choose import KindOption, NameArgument, choose
from flowzoo.cli.console import console
from flowzoo.cli.settings import IN_TRAINING, read_settings
from flowzoo.component import Component
from flowzoo.errors import OptionError
from flowzoo.registry.loader import default_registry

if TYPE_CHECKING:
    from flowzoo.testing import CheckResult

SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Option of the component, for example root=FOLDER for a data set. Can be repeated.",
        show_default=False,
    ),
]
SeedOption = Annotated[int, typer.Option("--seed", min=0, help="Random seed of weights and images.")]


def check(
    name: NameArgument, kind: KindOption = None, assignments: SetOption = None, seed: SeedOption = 0
) -> None:
    """Test a component with the conformance kit.

    Prints one line per check. The exit status is 1 if a check fails.
    """
    registry = default_registry()
    component = choose(registry, name, kind)
    options = _options(component, assignments or [])

    from flowzoo.testing import CheckResult, check_component, checks_for, findings, trials_of
    from flowzoo.testing.files import missing_options

    address = registry.address(component)
    trials = trials_of(component.kind, address)
    titles = [
        CheckResult(name, True, trial=trial.title).title
        for trial in trials
        for name in checks_for(component.kind, component.exact)
    ]
    lines = _Lines(max(map(len, titles)))
    results = check_component(component.kind, address, seed=seed, told=lines.print, **options)
    found = findings(results)
    passed = sum(each.passed for each in results)
    plugin = registry.plugin_of(component)
    origin = f"{component.kind} '{component.name}' of {plugin.distribution} {plugin.version}"
    console().print(f"{origin}: {passed} of {len(results)} checks passed")
    if not found:
        console().print(f"next: {_next(component, address)}")
        return
    if any(each.needs_files for each in found):
        given = " ".join(f"--set {each}=FOLDER" for each in missing_options(component, options))
        console().print(f"next: flowzoo check {name} --kind {component.kind} {given}")
    wrong = [each for each in found if not each.needs_files]
    if wrong:
        console().print(f"next: fix '{wrong[0].checks[0]}' first, then run this command again")
    raise typer.Exit(1)


class _Lines:
    """Prints a line for each result as it comes, the columns aligned; what is wrong is said once."""

    def __init__(self, width: int) -> None:
        self._width = width
        self._said: dict[str, str] = {}

    def print(self, result: CheckResult) -> None:
        """Print one line."""
        status = "ok" if result.passed else "NO FILES" if result.needs_files else "FAILED"
        line = Table.grid(padding=(0, 2, 0, 0))
        line.add_column(width=len("NO FILES"), no_wrap=True)
        line.add_column(width=self._width, no_wrap=True)
        line.add_column(overflow="fold")
        style = "" if result.passed else "yellow" if result.needs_files else "red"
        line.add_row(status, result.title, self._detail(result), style=style)
        console().print(line)

    def _detail(self, result: CheckResult) -> str:
        if result.passed:
            return result.note
        first = self._said.setdefault(result.fault, result.title)
        return result.detail if first == result.title else f"failed alike: see {first}"


def _options(component: Component, assignments: Sequence[str]) -> dict[str, Any]:
    from flowzoo.registry.options import check as check_options

    what = f"the {component.kind} '{component.name}'"
    refused = dict.fromkeys(IN_TRAINING, f"flowzoo check takes the options of {what} only")
    settings = read_settings(None, assignments, {**refused, "seed": "use --seed"})
    if settings.training or (settings.data and component.kind != "dataset"):
        raise OptionError(
            f"flowzoo check takes the options of {what} only. Leave out training.KEY and data.KEY"
        )
    pixels = {} if settings.pixels is None else {"pixels": settings.pixels}
    options = {**settings.options, **settings.data}
    if options:
        # A mistyped option is reported once here, and not by every check.
        known = {**component.checks[0].options, **options}
        check_options(default_registry(), component, known)
    return {**options, **pixels}


def _next(component: Component, name: str) -> str:
    run = f"runs/{component.name}"
    commands = {
        "model": f"flowzoo train {name} --data digits --out {run} --seconds 60",
        "dataset": f"flowzoo train glow --data {name} --out {run} --seconds 60",
        "suite": f"flowzoo bench run {name}",
    }
    return commands.get(component.kind, f"flowzoo show {name} --kind {component.kind}")
