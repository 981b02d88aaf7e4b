"""Groups results into leaderboards."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from flowzoo.bench.result import Result

_UNKNOWN = ("", "")


def comparable(results: Iterable[Result]) -> list[list[Result]]:
    """Group results by suite, by images, and by kind of device and precision.

    Images are the same if data set, revision, shape and bins are.
    """
    groups: dict[tuple[Any, ...], list[Result]] = {}
    early = []
    for each in results:
        if (each.data.revision and each.platform != _UNKNOWN) or each.status == "finished":
            data = each.data
            key = (each.suite, data.title, data.revision, data.shape, data.bins, each.platform)
            groups.setdefault(key, []).append(each)
        else:
            early.append(each)
    found = [groups[key] for key in sorted(groups, key=str)]
    # A cell that failed before its data or its device was known goes into a group that it may belong to.
    for each in early:
        nearest = (group for group in found if _may_belong(each, group[0]))
        group = max(nearest, key=lambda group: sum(each.label == one.label for one in group), default=None)
        if group is None:
            found.append([each])
        else:
            group.append(each)
    return sorted(found, key=lambda group: (group[0].suite, group[0].data.title))


def _may_belong(early: Result, other: Result) -> bool:
    ours, theirs = early.data, other.data
    return (
        (early.suite, ours.title) == (other.suite, theirs.title)
        and early.platform in (_UNKNOWN, other.platform)
        and (not ours.revision or ours.revision == theirs.revision)
    )
