"""All checks on all components of a plugin, for the tests of the plugin."""

from __future__ import annotations

from dataclasses import dataclass

from flowzoo.errors import PluginError
from flowzoo.registry.loader import default_registry
from flowzoo.registry.plugin import Plugin
from flowzoo.testing.kit import checks_for, run_check
from flowzoo.testing.result import CheckFailed, CheckResult, NeedsFiles
from flowzoo.testing.trial import Trial, trials_of


@dataclass(frozen=True)
class Case:
    """One check on one component, in one of its trials.

    Attributes:
        trial: The component, with the shapes and options of the trial.
        name: The check's name.
    """

    trial: Trial
    name: str

    def __str__(self) -> str:
        component = self.trial.component
        return "-".join(filter(None, [component.kind, component.name, self.trial.title, self.name]))

    def run(self) -> CheckResult:
        """Return the outcome."""
        return run_check(self.trial, self.name)

    def check(self) -> None:
        """Run the check.

        Raises:
            CheckFailed: The component does not pass it.
            NeedsFiles: A data set cannot be checked without its files.
        """
        result = self.run()
        if not result.passed:
            raise NeedsFiles(result.detail) if result.needs_files else CheckFailed(result.detail)


def cases_of(distribution: str) -> list[Case]:
    """Return every check on every component of a plugin.

    In a plugin's tests::

        @pytest.mark.parametrize("case", cases_of("flowzoo-mine"), ids=str)
        def test_conforms(case: Case) -> None:
            case.check()

    Args:
        distribution: The name of the plugin's distribution.

    Raises:
        PluginError: The plugin is not installed, it fails, or one of its components cannot be used.
    """
    registry = default_registry()
    return [
        Case(trial, check)
        for component in plugin_under_test(distribution).components
        for trial in trials_of(component.kind, registry.address(component))
        for check in checks_for(component.kind, component.exact)
    ]


def plugin_under_test(distribution: str) -> Plugin:
    """Return a plugin all of whose components can be used; errors as :func:`cases_of`."""
    registry = default_registry()
    plugin = registry.installed(distribution)
    if plugin is None:
        failed = [each for each in registry.failures if each.distribution == distribution]
        why = f"failed to load: {failed[0].reason}" if failed else "is not installed"
        raise PluginError(f"the plugin '{distribution}' {why}")
    if plugin.skipped:
        raise PluginError(
            f"the plugin '{distribution}' has a component that cannot be used: {plugin.skipped[0]}"
        )
    return plugin
