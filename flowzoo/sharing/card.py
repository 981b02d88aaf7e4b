"""The card of a shared model: a page in Markdown that the hub shows, made from the run's record."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import metadata
from typing import Any

import yaml

from flowzoo.component import Component
from flowzoo.evaluation.facts import facts_of
from flowzoo.evaluation.report import Evaluation
from flowzoo.recipe import Recipe
from flowzoo.registry.provenance import Provenance
from flowzoo.runfolder import RunRecord

SAMPLES = "samples.png"

CITATION = """@software{flowzoo,
  author = {{The flowzoo developers}},
  title = {flowzoo: a plugin-based zoo of multi-scale normalising flows for images},
  url = {https://github.com/flowzoo/flowzoo}
}"""


@dataclass(frozen=True)
class Card:
    """What the card of a model is made from.

    Attributes:
        name: The model's name on the hub, ``owner/name``.
        recipe: The model's recipe.
        component: The model's component.
        provenance: What the model was made with.
        licence: The model's licence, as the hub writes it.
        parameters: Number of the model's parameters.
        record: The record of its training; None for a saved model, which has none.
        evaluation: Its figure; None if it was not measured.
    """

    name: str
    recipe: Recipe
    component: Component
    provenance: Provenance
    licence: str
    parameters: int
    record: RunRecord | None
    evaluation: Evaluation | None

    def text(self) -> str:
        """Return the card."""
        sections = [
            f"# {self.name.rpartition('/')[2]}\n\n{self._introduction()}\n\n![Samples]({SAMPLES})",
            f"## Use\n\n{_code('sh', self._installation())}\n\n{_code('python', self._loading())}",
            f"## Figure\n\n{self._figure()}",
            f"## Training\n\n{self._training()}",
            f"## Options\n\n{_code('yaml', _yaml(_plain(self.recipe.options)))}",
            f"## Made with\n\n{_table(('distribution', 'version', 'home'), self._distributions())}",
            f"## Licence\n\nThe model has the licence `{self.licence}`.",
            f"## Citation\n\n{self._references()}{_code('bibtex', CITATION)}",
        ]
        return f"---\n{_yaml(self._front())}\n---\n\n" + "\n\n".join(sections) + "\n"

    def _front(self) -> dict[str, Any]:
        """Return what the hub reads, such as what it can be filtered by."""
        front: dict[str, Any] = {
            "library_name": "flowzoo",
            "license": self.licence,
            "pipeline_tag": "unconditional-image-generation",
            "tags": ["flowzoo", "normalizing-flow", self.recipe.model],
        }
        found = self.evaluation
        if found is not None and found.valid:
            result = {
                "task": {"type": "unconditional-image-generation"},
                "dataset": {
                    "type": found.data,
                    "name": found.data,
                    "split": found.split,
                    "revision": found.data_revision,
                },
                "metrics": [
                    {"type": "bits_per_dim", "name": "bits/dim", "value": round(found.bits_per_dim, 4)}
                ],
            }
            front["model-index"] = [{"name": self.name.rpartition("/")[2], "results": [result]}]
        return front

    def _introduction(self) -> str:
        channels, height, width = self.recipe.image_shape
        on = "" if self.record is None else f", trained on `{self.record.experiment.data}`"
        return (
            f"A normalising flow, `{self.recipe.model}` ({self.component.summary}){on}. It draws images of "
            f"{height}x{width} pixels and {channels} channel{'s' if channels > 1 else ''}, and computes "
            f"their likelihood. It has {self.parameters:,} parameters. Made with "
            "[flowzoo](https://github.com/flowzoo/flowzoo)."
        )

    def _installation(self) -> str:
        plugins = [name for name, _, _ in self._distributions() if name not in ("flowzoo", "torch")]
        return " ".join(["pip install 'flowzoo[hub]'", *plugins])

    def _loading(self) -> str:
        return (
            f'import flowzoo\n\nmodel = flowzoo.load_model("hf-hub:{self.name}")\n'
            "images = model.sample(16, seed=0)"
        )

    def _figure(self) -> str:
        if self.evaluation is None:
            return "The model's bits/dim were not measured."
        return _table(("what", "value"), facts_of(self.evaluation))

    def _training(self) -> str:
        if self.record is None:
            return "The record of the training is not known."
        experiment = self.record.experiment
        facts = {
            "data set": experiment.data,
            "revision of the images": experiment.data_revision,
            "images": ", ".join(f"{size:,} {name}" for name, size in self.record.data_report.sizes.items()),
            "steps": f"{self.record.steps:,}",
            "seconds": f"{self.record.seconds:.0f}",
            "seed": str(experiment.seed),
        }
        table = _table(("what", "value"), [(name, value) for name, value in facts.items() if value])
        return f"{table}\n\n{_code('yaml', _yaml(experiment.training.model_dump(mode='json')))}"

    def _distributions(self) -> list[tuple[str, str, str]]:
        return [(name, version, _home(name)) for name, version in sorted(self.provenance.versions.items())]

    def _references(self) -> str:
        return f"{self.component.reference}\n\n" if self.component.reference else ""


def _home(distribution: str) -> str:
    """Return the page of a distribution, empty if it states none."""
    try:
        stated = metadata.metadata(distribution).get_all("Project-URL") or []
    except metadata.PackageNotFoundError:
        return ""
    pages = dict(each.split(", ", 1) for each in stated if ", " in each)
    return next(
        (pages[name] for name in ("Source", "Repository", "Homepage", "Documentation") if name in pages), ""
    )


def _plain(value: Any) -> Any:
    """Return nested options as plain dictionaries and lists, which YAML can be written of."""
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value


def _yaml(data: Mapping[str, Any]) -> str:
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True).rstrip()


def _code(language: str, text: str) -> str:
    return f"```{language}\n{text}\n```"


def _table(headings: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    listed = [list(headings)]
    listed += [["---"] * len(listed[0]), *map(list, rows)]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in listed)
