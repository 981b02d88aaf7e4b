"""Checks results before they are shared, and packs them for a repository of results."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from flowzoo.bench.artefacts import model_folder
from flowzoo.bench.report.blocks import Block, all_costs, blocks
from flowzoo.bench.report.leaderboard import make_report
from flowzoo.bench.result import Result
from flowzoo.bench.store import Results, identity, suite_folder
from flowzoo.bench.verification import Verification, write_verification
from flowzoo.bench.verify import can_be_verified, verify
from flowzoo.errors import FlowzooError, OptionError
from flowzoo.evaluation.image_conditions import bits_file
from flowzoo.files import make_folder, writing
from flowzoo.registry.loader import default_registry
from flowzoo.testing import check_component, findings

BESIDE = ("gaussian", "glow")
"""Labels of the rows beside which a submitted one is shown."""

Count = Callable[[int, int], None]


@dataclass(frozen=True)
class Checked:
    """A record that was checked.

    Attributes:
        path: Its file.
        result: The record.
        verification: What measuring its model again gave; None if it was not measured.
        faults: Why it cannot be submitted, a line each; empty if it can.
    """

    path: Path
    result: Result
    verification: Verification | None
    faults: tuple[str, ...]

    @property
    def title(self) -> str:
        """A title for people."""
        return f"{self.result.label} on {self.result.data.title}, seed {self.result.seed}"


def check_results(
    results: Results,
    *,
    images: int | None = 64,
    by: str = "",
    device: str = "auto",
    kit: bool = True,
    data_options: Mapping[str, Mapping[str, Any]] | None = None,
    counting: Callable[[str], Count] = lambda title: lambda done, total: None,
) -> list[Checked]:
    """Check every result of a folder.

    Its model must be measured again with the same outcome (:func:`~flowzoo.bench.verify.verify`), and the
    components that it is made of must pass the conformance kit.

    Args:
        results: The results.
        images: Number of images to measure again; None for all.
        by: Who checks.
        device: As :func:`~flowzoo.device.prepare_device` takes it.
        kit: Whether to run the kit on components that are not flowzoo's own core.
        data_options: For each data set, options that say where its files are.
        counting: Takes the title of a record, and returns what is called with the progress.
    """
    kits: dict[str, str] = {}
    found = []
    for result in results.results:
        path = results.paths[identity(result)]
        checked = Checked(path, result, None, tuple(_faults_before(result)))
        if not checked.faults:
            outcome = verify(
                path,
                result,
                images=images,
                by=by,
                device=device,
                data_options=(data_options or {}).get(result.data.name),
                count=counting(checked.title),
            )
            faults = [*outcome.faults, *(_faults_of_kit(result, kits) if kit else ())]
            checked = replace(checked, verification=outcome, faults=tuple(faults))
        found.append(checked)
    return found


def pack(checked: Sequence[Checked], repository: Path) -> list[Path]:
    """Copy records without faults, and what belongs to them, into a repository of results.

    Args:
        checked: The records.
        repository: Its folder; the records go to ``results/SUITE`` in it.

    Returns:
        The records' new files.

    Raises:
        OptionError: A record has faults, or another one of the same name is there.
        FileError: The folder cannot be written.
    """
    for each in checked:
        if each.faults:
            raise OptionError(f"{each.title} cannot be submitted: {each.faults[0]}")
    made = []
    for each in checked:
        folder = suite_folder(repository / "results", each.result.suite)
        target = folder / each.path.name
        if target.exists() and target.read_bytes() != each.path.read_bytes():
            raise OptionError(f"{target} is another record of the same cell. Remove it first, if it is wrong")
        make_folder(folder)
        with writing(folder, "cannot write in"):
            if model_folder(each.path).is_dir():
                shutil.copytree(model_folder(each.path), model_folder(target), dirs_exist_ok=True)
            for beside in (bits_file, lambda path: path.with_suffix(".png")):
                if beside(each.path).is_file():
                    shutil.copyfile(beside(each.path), beside(target))
            shutil.copyfile(each.path, target)  # last: without it the other files count as nothing
        if each.verification is not None:
            write_verification(target, each.verification)
        made.append(target)
    return made


def rows_beside(everything: Results, labels: Sequence[str]) -> Iterator[Block]:
    """Yield the ranking of each leaderboard that has one of the rows, with the Gaussian and Glow only.

    Args:
        everything: All results of the repository, the submitted ones among them.
        labels: Labels of the submitted rows.
    """
    for board in make_report(everything).boards:
        if not any(row.label in labels for row in board.rows):
            continue
        wanted = {*labels, *BESIDE}
        shown = replace(
            board,
            ranked=tuple(each for each in board.ranked if each.row.label in wanted),
            apart={
                reason: tuple(row for row in rows if row.label in labels)
                for reason, rows in board.apart.items()
            },
        )
        for block in blocks(shown, all_costs(shown), errors=True):
            yield replace(block, title=": ".join(filter(None, [board.heading, block.title])))


def _faults_before(result: Result) -> Iterator[str]:
    if result.status != "finished":
        yield "the cell failed, so it has no figure"
    elif not result.files:
        yield "its weights were not kept. Run the suite with --keep --overwrite always"
    elif not can_be_verified(result):
        yield "its likelihood is not valid, so it cannot be ranked"


def _faults_of_kit(result: Result, known: dict[str, str]) -> Iterator[str]:
    registry = default_registry()
    for key in result.components:
        if key not in known:
            kind, _, name = key.partition(":")
            try:
                component = registry.find(kind, name)  # type: ignore[arg-type]  # a record's kind
                core = registry.plugin_of(component).core
                wrong = [] if core else findings(check_component(component.kind, name))
            except FlowzooError as problem:
                known[key] = f"the conformance kit cannot run: {problem}"
                continue
            wrong = [each for each in wrong if not each.needs_files]
            known[key] = f"the conformance kit fails on {key}: {wrong[0].checks[0]}" if wrong else ""
        if known[key]:
            yield known[key]
