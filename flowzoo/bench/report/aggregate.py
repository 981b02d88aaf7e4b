"""The models of a suite over all of its data sets: mean ranks and wins."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from flowzoo.bench.report.blocks import Block, Column
from flowzoo.bench.report.leaderboard import Leaderboard, Report
from flowzoo.bench.report.wording import clean, counted, listed


def aggregates(report: Report) -> Iterator[Block]:
    """Yield a table for each suite that has leaderboards of several data sets on one kind of device.

    Only models that are ranked on all of them are compared: one that lacks a hard data set would seem better.
    """
    groups: dict[tuple[str, tuple[str, str]], list[Leaderboard]] = {}
    for board in report.boards:
        if any(each.rank is not None for each in board.ranked):
            groups.setdefault((board.suite, board.platform), []).append(board)
    for (suite, platform), boards in groups.items():
        names = [board.data.title for board in boards]
        if len(set(names)) > 1 and len(set(names)) == len(names):
            yield _table(suite, platform, boards)


def _table(suite: str, platform: tuple[str, str], boards: Sequence[Leaderboard]) -> Block:
    ranks = [_ranks(board) for board in boards]
    everywhere = [label for label in ranks[0] if all(label in each for each in ranks)]
    elsewhere = sorted({label for each in ranks for label in each if label not in everywhere})
    rows = [
        (
            sum(each[label] for each in ranks) / len(ranks),
            label,
            sum(each[label] == 1 for each in ranks),
            [each[label] for each in ranks],
        )
        for label in everywhere
    ]
    where = ", ".join(filter(None, platform))
    title = f"{suite} · {counted(len(boards), 'data set')} together · {where}"
    if elsewhere:
        title += f" · not ranked on all of them: {listed(elsewhere)}"
    return Block(
        clean(title, 400),
        (
            Column("model"),
            Column("mean rank", numeric=True, arrow="↓"),
            Column("wins", numeric=True, arrow="↑"),
            *(Column(f"rank on {clean(board.data.title, 40)}", numeric=True) for board in boards),
        ),
        tuple(
            (clean(label, 60), f"{mean:.2f}", str(wins), *map(str, each))
            for mean, label, wins, each in sorted(rows)
        ),
    )


def _ranks(board: Leaderboard) -> dict[str, int]:
    """Return the rank of each label; of several rows with one label the best counts."""
    found: dict[str, int] = {}
    for each in board.ranked:
        if each.rank is not None:
            found.setdefault(each.row.label, each.rank)
    return found
