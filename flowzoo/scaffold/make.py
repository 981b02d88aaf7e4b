"""Fills in the template of a plugin."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import jinja2

from flowzoo.component import Kind
from flowzoo.files import whole_folder, write_text
from flowzoo.scaffold.naming import Names, check_free, check_kinds, names_of

TEMPLATE = Path(__file__).parent / "template"
ENDING = ".jinja"

FIGURES: tuple[Kind, ...] = ("transform", "bijector", "split", "network", "dequantisation", "model")
"""Kinds that compute something from images, which the tests store."""

MIXES = FIGURES[:-1]
"""Kinds that are parts of models."""

SUMMARIES: Mapping[Kind, str] = {
    "transform": "Reverses the rows of an image",
    "bijector": "Scales every value, the scale given by the mean of the context",
    "split": "Keeps the upper half of an image",
    "network": "Two convolutions with softplus between them",
    "dequantisation": "Noise that prefers the lower part of a bin",
    "model": "Haar details by one bijector for each level",
    "dataset": "Waves with noise, grey, 8x8, computed",
    "metric": "How much brighter samples are than test images",
    "suite": "A short training on digits, beside the Gaussian",
    "command": "Print how many images each split of a data set has.",
}

_USES: Mapping[Kind, str] = {
    "transform": "flowzoo train wavelet-flow --data digits --out runs/t --seconds 60 --set transform=NAME",
    "bijector": "flowzoo train wavelet-flow --data digits --out runs/b --seconds 60 --set bijector=NAME",
    "split": "flowzoo train glow --data digits --out runs/s --seconds 60 --set split=NAME",
    "network": "flowzoo train mrcnf --data digits --out runs/n --seconds 60 --set bijector.network=NAME",
    "dequantisation": "flowzoo train glow --data digits --out runs/d --seconds 60 --set dequantisation=NAME",
    "model": "flowzoo train NAME --data digits --out runs/m --seconds 60",
    "dataset": "flowzoo train glow --data NAME --out runs/images --seconds 60",
    "metric": "flowzoo show NAME --kind metric",
    "suite": "flowzoo bench run NAME --out results",
    "command": "flowzoo NAME digits",
}

_NEEDS: Mapping[str, tuple[Kind, ...]] = {
    "numpy>=1.26": ("dataset",),
    "pydantic>=2.7": ("transform", "bijector", "network", "dataset", "metric"),
    "torch>=2.6": ("transform", "bijector", "split", "network"),
    "typer>=0.16": ("command",),
}
"""What the examples of these kinds import."""


def new_plugin(name: str, kinds: Iterable[str], out: Path | None = None, author: str = "") -> Path:
    """Make the folder of a plugin with one working component of each kind, its tests and its metadata.

    Args:
        name: Its name, with or without ``flowzoo-``.
        kinds: The kinds of its components.
        out: The folder, new or empty; by default it has the distribution's name.
        author: Name for the licence and the metadata.

    Returns:
        The folder.

    Raises:
        OptionError: A name is taken or is not a name, there is no such kind, or the folder holds something.
        FileError: The folder cannot be written.
    """
    names = names_of(name)
    wanted = check_kinds(kinds)
    check_free(names, wanted)
    folder = Path(names.distribution) if out is None else out
    values = _values(names, wanted, " ".join(author.split()) or f"The authors of {names.distribution}")
    with whole_folder(folder) as draft:
        for path, text in _files(names, wanted, values):
            (draft / path).parent.mkdir(parents=True, exist_ok=True)
            write_text(draft / path, text)
    return folder


def _files(names: Names, kinds: tuple[Kind, ...], values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the path of each file, and its text."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATE),
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # what is filled in is no page
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    examples = {f"src/PACKAGE/{kind}.py": kind for kind in values["builders"]}
    examples["src/PACKAGE/suites/NAME.yaml"] = "suite"
    for template in environment.list_templates():
        path = template.removesuffix(ENDING)
        if examples.get(path, kinds[0]) in kinds:
            text = environment.get_template(template).render(values)
            yield path.replace("PACKAGE", names.package).replace("NAME", names.component), text


def _values(names: Names, kinds: tuple[Kind, ...], author: str) -> dict[str, Any]:
    needs = ["flowzoo>=0.1", *(need for need, users in _NEEDS.items() if set(users) & set(kinds))]
    others = ["flowzoo-coupling"] if "network" in kinds else []  # its bijectors take networks
    own = {"dataset": "build_dataset", "metric": "Brightness", "command": "sizes"}
    return {
        "name": names.component,
        "distribution": names.distribution,
        "package": names.package,
        "kinds": kinds,
        "author": author,
        "year": datetime.date.today().year,
        "dependencies": _quoted(needs),
        "test_dependencies": _quoted(["pytest>=8", *others]),
        "summaries": SUMMARIES,
        "uses": {kind: use.replace("NAME", names.component) for kind, use in _USES.items()},
        "builders": {**{kind: f"build_{kind}" for kind in MIXES}, **own},
        "checks": bool({*FIGURES} & {*kinds}),
        "figures": bool({*FIGURES} & {*kinds}),
        "mixes": bool({*MIXES} & {*kinds}),
    }


def _quoted(items: Iterable[str]) -> str:
    return ", ".join(f'"{each}"' for each in items)
