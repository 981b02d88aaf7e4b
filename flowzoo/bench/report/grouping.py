"""Which results may share a leaderboard."""

from __future__ import annotations

from collections.abc import Iterable

from flowzoo.bench.result import Result

_Key = tuple[str, str, str, tuple[int, ...], int, tuple[str, str]]


def comparable(results: Iterable[Result]) -> list[list[Result]]:
    """Group by suite, by all that makes images the same, and by where the cells ran.

    Images are the same where data set, revision, shape and bins are; a place is a kind of device and a
    precision.
    """
    groups: dict[_Key, list[Result]] = {}
    early = []
    for each in results:
        known = each.data.revision and each.place != ("", "")
        if known or each.status == "finished":
            groups.setdefault(_key(each), []).append(each)
        else:
            early.append(each)
    # A cell that failed before its data was read or its device known stands with those it may belong to.
    for each in early:
        nearest = (group for key, group in groups.items() if _may_be(_key(each), key))
        group = max(nearest, key=lambda group: _siblings(each, group), default=None)
        if group is None:
            groups[_key(each)] = [each]
        else:
            group.append(each)
    return [groups[key] for key in sorted(groups, key=str)]


def _key(result: Result) -> _Key:
    data = result.data
    return (result.suite, data.name, data.revision, data.shape, data.bins, result.place)


def _may_be(early: _Key, full: _Key) -> bool:
    same_data = not early[2] or early[2:5] == full[2:5]
    return early[:2] == full[:2] and same_data and early[5] in (("", ""), full[5])


def _siblings(result: Result, group: Iterable[Result]) -> int:
    """How many other seeds of the same row are there."""
    return sum(each.label == result.label for each in group)
