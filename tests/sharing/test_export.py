"""Exported files compute what the model computes, without flowzoo; what cannot be exported is refused."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from typer.testing import CliRunner

import flowzoo
from flowzoo.cli.app import app
from flowzoo.errors import ExportError, OptionError, SavedModelError
from flowzoo.flow import Flow
from flowzoo.sharing import export, tracing
from flowzoo.sharing.folding import fold
from flowzoo.solving import Solving
from flowzoo.tensors import CAN_EXPORT

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # torch's own

needs_torch = pytest.mark.skipif(not CAN_EXPORT, reason="export needs torch 2.7")

SHAPE = (1, 8, 8)
SMALL: dict[str, Any] = {"levels": 1, "last": {"steps": 1, "network": {"hidden": 2}}}
SNIPPETS = re.findall(
    r"```python\n(.*?)```",
    (Path(__file__).parents[2] / "docs/sharing.md").read_text(encoding="utf-8"),
    re.DOTALL,
)


END = """
import sys
assert not {"flowzoo", "torch"} & set(sys.modules)
numpy.savez("found.npz", images=images, log_prob=log_prob)
"""


def make(name: str = "gaussian", **options: Any) -> Flow:
    """Return a model that has seen data, so that nothing of it is the identity by chance."""
    flow = flowzoo.create_model(name, SHAPE, bins=17, seed=0, **options)
    flow.initialise([torch.randint(0, 17, (128, *SHAPE), generator=torch.Generator().manual_seed(0))])
    return flow


def images(count: int) -> torch.Tensor:
    return torch.rand((count, *SHAPE), generator=torch.Generator().manual_seed(1))


def snippet(suffix: str) -> str:
    """Return the example of ``docs/sharing.md`` for a format."""
    (found,) = (each for each in SNIPPETS if f"first-encoder{suffix}" in each)
    return found


@needs_torch
def test_a_file_of_torch_export_computes_what_the_model_computes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flow = make()
    found = flowzoo.export_model(flow, tmp_path / "first.pt2")

    assert [each.file.name for each in found] == ["first-encoder.pt2", "first-decoder.pt2"]
    assert [each.inputs for each in found] == [("images",), ("latent_0",)]
    assert [each.outputs for each in found] == [("latent_0", "log_prob"), ("images",)]
    assert all(each.difference <= 1e-5 for each in found)
    encoder, decoder = (torch.export.load(each.file).module() for each in found)
    with torch.no_grad():
        for x in (images(1), images(4)):
            *latents, log_prob = encoder(x)
            torch.testing.assert_close(log_prob, flow.log_prob(x))
            torch.testing.assert_close(latents, flow.encode(x))
            torch.testing.assert_close(decoder(*latents), flow.decode(latents))
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(snippet(".pt2"), names)
    assert names["images"].shape == (16, *SHAPE)


@needs_torch
def test_a_cascade_has_all_its_latents(tmp_path: Path) -> None:
    flow = make("glow", **SMALL)
    (found,) = flowzoo.export_model(flow, tmp_path / "encoder.pt2", part="encoder")
    *latents, log_prob = torch.export.load(found.file).module()(images(4))
    with torch.no_grad():
        torch.testing.assert_close(log_prob, flow.log_prob(images(4)))
        torch.testing.assert_close(latents, flow.encode(images(4)))


@needs_torch
def test_a_file_of_onnx_needs_neither_flowzoo_nor_torch(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    flow = make()
    flowzoo.export_model(flow, tmp_path / "first-encoder.onnx", part="encoder")
    encoding = "\n".join(line for line in snippet(".onnx").splitlines() if "decoder" not in line)
    subprocess.run([sys.executable, "-c", encoding + END], cwd=tmp_path, check=True)
    found = numpy.load(tmp_path / "found.npz")
    with torch.no_grad():
        expected = flow.log_prob(torch.from_numpy(found["images"]))
    assert expected.shape == (16,)
    torch.testing.assert_close(torch.from_numpy(found["log_prob"]), expected, rtol=1e-4, atol=1e-3)


class Linear(torch.nn.Module):
    """Solves systems of weights, and takes the logarithm of a determinant."""

    def __init__(self) -> None:
        super().__init__()
        draw = torch.Generator().manual_seed(0)
        self.weight = torch.nn.Parameter(torch.randn(4, 4, generator=draw) + 3.0 * torch.eye(4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        upper = self.weight.triu() + torch.eye(4)
        solved = torch.linalg.solve_triangular(upper, torch.linalg.solve(self.weight, x.T), upper=True)
        return solved.T + torch.linalg.slogdet(self.weight).logabsdet + x


@needs_torch
def test_linear_algebra_of_weights_is_folded() -> None:
    module, x = Linear(), torch.rand(3, 4)
    folded = fold(tracing.trace(module, (x,), "a layer").module())
    assert not [node for node in folded.graph.nodes if "linalg" in str(node.target)]
    torch.testing.assert_close(folded(x), module(x))
    torch.testing.assert_close(folded(x[:2]), module(x[:2]))


@needs_torch
def test_continuous_flows_need_fixed_steps(tmp_path: Path) -> None:
    network = {"name": "conv-field", "hidden": 2, "layers": 2}
    bijector: dict[str, Any] = {"blocks": 1, "network": network}
    with pytest.raises(ExportError, match=r"evaluation_steps"):
        flowzoo.export_model(
            make("ffjord", normalise="standardise", bijector=bijector), tmp_path / "model.pt2"
        )
    assert not list(tmp_path.iterdir())

    bijector |= {"evaluation_solver": "midpoint", "evaluation_steps": 1}
    flow = make("ffjord", normalise="standardise", bijector=bijector)
    (found,) = flowzoo.export_model(flow, tmp_path / "encoder.pt2", part="encoder")
    *_, log_prob = torch.export.load(found.file).module()(images(2))
    exact = flowzoo.Call(solver=Solving(exact=True))
    torch.testing.assert_close(log_prob, flow.log_prob(images(2), exact).detach())


class Off(torch.nn.Module):
    """Adds a nat to what an encoder returns as the log-likelihood."""

    def __init__(self, encoder: torch.nn.Module) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        *latents, log_prob = self.encoder(x)
        return (*latents, log_prob + 1.0)


@needs_torch
def test_a_graph_that_differs_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "trace", lambda module, *rest: tracing.trace(Off(module), *rest))
    with pytest.raises(ExportError, match="differs"):
        flowzoo.export_model(make(), tmp_path / "model.pt2", part="encoder")
    assert not list(tmp_path.iterdir())


class Choosing(torch.nn.Module):
    """Computes what depends on a value."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x if bool((x > 0).all()) else -x


class Fixed(torch.nn.Module):
    """Takes batches of one size only."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * int(x.shape[0])


@needs_torch
@pytest.mark.parametrize(("module", "said"), [(Choosing(), "values"), (Fixed(), "shape")])
def test_what_is_no_graph_is_refused_in_one_line(
    module: torch.nn.Module, said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ExportError, match=said) as error:
        tracing.trace(module, (images(3),), "the encoder of odd")
    assert "\n" not in str(error.value)
    assert capfd.readouterr() == ("", "")


@needs_torch
def test_random_draws_are_refused(tmp_path: Path) -> None:
    options = {"levels": 2, "bijector": "gaussian", "transform": {"proposal": "uniform"}, "pixels": "affine"}
    with pytest.raises(ExportError, match="random"):
        flowzoo.export_model(make("msflow-image", **options), tmp_path / "model.pt2")


def test_wrong_names_and_files_that_exist_are_refused_before_any_work(tmp_path: Path) -> None:
    nowhere = tmp_path / "no model"
    for file, asked, part, said in (
        ("model.zip", None, None, r"\.pt2"),
        ("model.pt2", "onxx", None, "onnx"),
        ("model.pt2", "onnx", None, r"\.onnx"),
        ("model.pt2", None, "middle", "encoder"),
        ("no folder/model.pt2", None, None, "folder"),
    ):
        with pytest.raises(OptionError, match=said):
            flowzoo.export_model(nowhere, tmp_path / file, asked, part)
    (tmp_path / "model-decoder.pt2").touch()
    with pytest.raises(OptionError, match="exists"):
        flowzoo.export_model(nowhere, tmp_path / "model.pt2")


def test_an_old_torch_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "CAN_EXPORT", False)
    with pytest.raises(ExportError, match=r"2\.7"):
        flowzoo.export_model(make(), tmp_path / "model.pt2")


@needs_torch
def test_what_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SavedModelError):
        flowzoo.export_model(tmp_path / "no model", tmp_path / "model.pt2")
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(ExportError, match=r"flowzoo\[onnx\]"):
        flowzoo.export_model(tmp_path, tmp_path / "model.onnx")


@needs_torch
def test_a_write_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = export.write_atomically

    def failing(path: Path, content: bytes) -> None:
        if "decoder" in path.name:
            raise flowzoo.FlowzooError("no room")
        write(path, content)

    monkeypatch.setattr(export, "write_atomically", failing)
    monkeypatch.setattr(export, "_export", lambda *_: (b"a graph", 0.0))
    with pytest.raises(flowzoo.FlowzooError, match="no room"):
        flowzoo.export_model(make(), tmp_path / "model.pt2")
    assert not list(tmp_path.iterdir())


@needs_torch
def test_the_command_prints_the_largest_difference(tmp_path: Path) -> None:
    flowzoo.save_model(make(), tmp_path / "saved")
    file = tmp_path / "decoder.pt2"
    command = ["export", str(tmp_path / "saved"), "-o", str(file), "--part", "decoder"]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    assert file.exists()
    assert "latent_0 -> images" in result.output
    assert "largest difference" in result.output
    again = CliRunner().invoke(app, command)
    assert again.exit_code == 2
    assert again.output.count("\n") == 1
