"""What a model, a run or a figure was made with, and what has changed since.

A component's revision shows whether it computes the same, and another revision is refused. Versions and
files may change without a new revision; these changes are only reported.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib import metadata

import flowzoo
from flowzoo.component import Component
from flowzoo.errors import FlowzooError, SavedModelError
from flowzoo.registry.lookup import Registry
from flowzoo.registry.plugin import canonical

_NO_PLUGIN = "torch"
"""It has a version beside those of the distributions, and brings no components."""


@dataclass(frozen=True)
class Provenance:
    """What something was made with. Fields that were not recorded at the time are empty.

    Attributes:
        revisions: Revisions of the components, by ``kind:name``.
        owners: The distributions that bring them, by ``kind:name``.
        versions: Versions of these distributions, of flowzoo and of torch.
        fingerprints: Digests of the distributions' code that computes the components.
    """

    revisions: Mapping[str, int] = field(default_factory=dict)
    owners: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    fingerprints: Mapping[str, str] = field(default_factory=dict)

    def bind(self, registry: Registry) -> Registry:
        """Return a registry in which names stand for the components that this was made of."""
        return registry.bound_to(self.owners, self.versions)

    def only(self, keys: Iterable[str]) -> Provenance:
        """Return the part of this that is about some components, ``kind:name``, as far as it is recorded."""
        wanted = set(keys)
        owners = {key: owner for key, owner in self.owners.items() if key in wanted}
        return Provenance(
            revisions={key: revision for key, revision in self.revisions.items() if key in wanted},
            owners=owners,
            versions={owner: self.version(owner) for owner in owners.values()},
        )

    def version(self, distribution: str) -> str:
        """Return a distribution's version, empty if it is not recorded."""
        return _by_canonical_name(self.versions).get(canonical(distribution), "")


def provenance_of(registry: Registry, keys: Iterable[str]) -> Provenance:
    """Return what is installed now.

    Args:
        registry: Where components are found.
        keys: The components, as ``kind:name``.

    Raises:
        FlowzooError: One of them is not installed.
    """
    found = {key: find_key(registry, key) for key in keys}
    plugins = {key: registry.plugin_of(component) for key, component in found.items()}
    digests: dict[str, set[str]] = {}
    for key, component in found.items():
        digests.setdefault(plugins[key].distribution, set()).add(registry.fingerprint(component))
    return Provenance(
        revisions={key: component.revision for key, component in found.items()},
        owners={key: plugin.distribution for key, plugin in plugins.items()},
        versions={
            "flowzoo": flowzoo.__version__,
            **_torch(),
            **{plugin.distribution: plugin.version for plugin in plugins.values()},
        },
        fingerprints={name: _joined(each) for name, each in digests.items() if "" not in each},
    )


def find_key(registry: Registry, key: str) -> Component:
    """Return the component that ``kind:name`` stands for; errors as in :meth:`Registry.find`."""
    kind, _, name = key.partition(":")
    return registry.find(kind, name)  # type: ignore[arg-type]  # find refuses what is no kind


def changes(then: Provenance, now: Provenance, *, files: bool = True, what: str = "now") -> tuple[str, ...]:
    """Return what has changed, as ``flowzoo-mine 0.1 (0.2 now)``.

    Args:
        then: What something was made with.
        now: What is installed, of the same components.
        files: Also name distributions of the same version whose code differs.
        what: What the second one is called.
    """
    current = _by_canonical_name(now.versions)
    before, after = _by_canonical_name(then.fingerprints), _by_canonical_name(now.fingerprints)
    found: list[str] = []
    for distribution, version in then.versions.items():
        name = canonical(distribution)
        if name not in current:
            found.append(f"{distribution} {version} (not installed {what})")
        elif _comparable(name, version) != _comparable(name, current[name]):
            found.append(f"{distribution} {version} ({current[name]} {what})")
        elif files and name in before and name in after and before[name] != after[name]:
            found.append(f"{distribution} {version} (files differ {what})")
    return tuple(found)


def refuse_revisions(then: Provenance, registry: Registry, subject: str, made: str, remedy: str) -> None:
    """Refuse what was made of components that are not installed, or that have another revision.

    Args:
        then: What it was made with.
        registry: Where components are found.
        subject: What holds it, such as a folder.
        made: How it was made, such as ``was saved``.
        remedy: What to do if the old version cannot be installed, such as ``train the model again``.

    Raises:
        SavedModelError: A component has changed; the message says which, and what to do.
    """
    for distribution, version in then.versions.items():
        if distribution != _NO_PLUGIN and registry.installed(distribution) is None:
            raise SavedModelError(
                f"{subject} needs {distribution} {version}, which {_absence(distribution, registry)}"
            )
    bound = then.bind(registry)
    for key, revision in then.revisions.items():
        try:
            component = find_key(bound, key)
        except FlowzooError as error:
            raise SavedModelError(f"{subject} does not fit what is installed: {error}") from error
        if component.revision != revision:
            plugin = bound.plugin_of(component)
            wrote = then.version(plugin.distribution)
            raise SavedModelError(
                f"{subject} {made} with revision {revision} of {component.kind} '{component.name}' "
                f"({plugin.distribution} {wrote or 'of another version'}); {plugin.version} has revision "
                f"{component.revision}, which computes something else; "
                f"{how_to_go_back(plugin.distribution, wrote, plugin.version)}, or {remedy}"
            )


def how_to_go_back(distribution: str, wrote: str, installed: str) -> str:
    """Return what to do to have a distribution as it was.

    Args:
        distribution: Its name.
        wrote: Its version at the time; empty if that is not known.
        installed: Its version now.
    """
    if wrote and wrote != installed:
        return f"pip install {distribution}=={wrote}"
    return f"install {distribution} as it was then"


def _absence(distribution: str, registry: Registry) -> str:
    for failure in registry.failures:
        if canonical(failure.distribution) == canonical(distribution):
            return f"failed to load: {failure.reason}"
    if canonical(distribution) in map(canonical, registry.left_out):
        return "FLOWZOO_PLUGINS leaves out; add it there"
    return f"is not installed; pip install {distribution}"


def _torch() -> dict[str, str]:
    try:  # asked for without importing torch, which a suite's runner does not have to
        return {_NO_PLUGIN: metadata.version(_NO_PLUGIN)}
    except metadata.PackageNotFoundError:
        return {}


def _by_canonical_name(values: Mapping[str, str]) -> dict[str, str]:
    return {canonical(name): value for name, value in values.items()}


def _comparable(name: str, version: str) -> str:
    """Return a version without what only says for which hardware torch was built."""
    return version.partition("+")[0] if name == _NO_PLUGIN else version


def _joined(digests: set[str]) -> str:
    if len(digests) == 1:
        return next(iter(digests))
    return hashlib.sha256("".join(sorted(digests)).encode()).hexdigest()[:16]
