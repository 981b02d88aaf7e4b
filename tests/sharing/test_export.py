"""Exported files compute what the model computes, without flowzoo; what cannot be exported is refused."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

import flowzoo
from flowzoo.cli.app import app
from flowzoo.errors import ExportError, OptionError, SavedModelError
from flowzoo.flow import Flow
from flowzoo.sharing import export, tracing
from flowzoo.solving import Solving

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # torch's own

NETWORK = {"hidden": 2, "blocks": 1}
STEP = {"steps": 1, "network": {"hidden": 2}}
FIELD = {"name": "conv-field", "hidden": 2, "layers": 1}
OPTIONS: dict[str, dict[str, Any]] = {
    "gaussian": {},
    "glow": {"levels": 1, "last": STEP},
    "realnvp": {
        "levels": 2,
        "joint": {"checkerboard": 1, "channel": 1, "network": NETWORK},
        "last": {"checkerboard": 1, "network": NETWORK},
    },
    "wavelet-flow": {"levels": 2, "bijector": STEP},
}

SHAPE = (1, 4, 4)


def make(name: str, **options: Any) -> Flow:
    """Return a model that has seen data, so that nothing of it is the identity by chance."""
    flow = flowzoo.create_model(name, SHAPE, bins=17, seed=0, **(OPTIONS.get(name, {}) | options))
    images = torch.randint(0, 17, (64, *SHAPE), generator=torch.Generator().manual_seed(0))
    flow.initialise([images])
    return flow


def images(count: int) -> torch.Tensor:
    return torch.rand((count, *SHAPE), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", ["glow", "realnvp", "wavelet-flow"])
def test_a_file_of_torch_export_computes_what_the_model_computes(name: str, tmp_path: Path) -> None:
    flow = make(name)
    found = flowzoo.export_model(flow, tmp_path / "model.pt2")

    assert [each.file.name for each in found] == ["model-encoder.pt2", "model-decoder.pt2"]
    assert all(each.difference <= 1e-5 for each in found)
    encoder, decoder = (torch.export.load(each.file).module() for each in found)
    with torch.no_grad():
        for x in (images(1), images(4)):
            *latents, log_prob = encoder(x)
            torch.testing.assert_close(log_prob, flow.log_prob(x))
            torch.testing.assert_close(latents, flow.encode(x))
            torch.testing.assert_close(decoder(*latents), flow.decode(latents))


SNIPPET = """
import sys
import numpy
import onnxruntime

encoder = onnxruntime.InferenceSession("model-encoder.onnx")
images = numpy.load("images.npy")
*latents, log_prob = encoder.run(None, {"images": images})
decoder = onnxruntime.InferenceSession("model-decoder.onnx")
again = decoder.run(None, {given.name: z for given, z in zip(decoder.get_inputs(), latents)})[0]
assert not {"flowzoo", "torch"} & set(sys.modules)
numpy.savez("found.npz", log_prob=log_prob, again=again)
"""


def test_a_file_of_onnx_needs_neither_flowzoo_nor_torch(tmp_path: Path) -> None:
    numpy = pytest.importorskip("numpy")
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    flow = make("glow")
    encoder, decoder = flowzoo.export_model(flow, tmp_path / "model.onnx")
    assert (encoder.inputs, encoder.outputs) == (("images",), ("latent_0", "log_prob"))
    assert (decoder.inputs, decoder.outputs) == (("latent_0",), ("images",))

    x = images(4)
    numpy.save(tmp_path / "images.npy", x.numpy())
    subprocess.run([sys.executable, "-c", SNIPPET], cwd=tmp_path, check=True)

    found = numpy.load(tmp_path / "found.npz")
    with torch.no_grad():
        torch.testing.assert_close(
            torch.from_numpy(found["log_prob"]), flow.log_prob(x), rtol=1e-4, atol=1e-3
        )
    torch.testing.assert_close(torch.from_numpy(found["again"]), x, rtol=1e-3, atol=1e-3)


def test_continuous_flows_need_fixed_steps(tmp_path: Path) -> None:
    options = {"normalise": None, "bijector": {"blocks": 1, "network": FIELD}}
    with pytest.raises(ExportError, match=r"evaluation_steps"):
        flowzoo.export_model(make("ffjord", **options), tmp_path / "model.pt2")
    assert not list(tmp_path.iterdir())

    options["bijector"] |= {"evaluation_solver": "midpoint", "evaluation_steps": 1}
    flow = make("ffjord", **options)
    encoder, decoder = flowzoo.export_model(flow, tmp_path / "model.pt2")
    *latents, log_prob = torch.export.load(encoder.file).module()(images(2))
    exact = flowzoo.Call(solver=Solving(exact=True))
    torch.testing.assert_close(log_prob, flow.log_prob(images(2), exact).detach())
    again = torch.export.load(decoder.file).module()(*latents)
    torch.testing.assert_close(again, flow.decode(latents).detach())


def test_a_graph_that_differs_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "model.pt2"
    trace = tracing.trace

    def wrong(module: torch.nn.Module, *rest: Any) -> Any:
        program = trace(module, *rest)
        for name, value in program.state_dict.items():
            if "mean" in name:
                value.add_(0.1)
        return program

    monkeypatch.setattr(export, "trace", wrong)
    with pytest.raises(ExportError, match="differs"):
        flowzoo.export_model(make("gaussian"), file, part="encoder")
    assert not list(tmp_path.iterdir())


class Choosing(torch.nn.Module):
    """Computes what depends on a value."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x if bool((x > 0).all()) else -x


class Fixed(torch.nn.Module):
    """Takes batches of one size only."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * int(x.shape[0])


@pytest.mark.parametrize(("module", "said"), [(Choosing(), "values"), (Fixed(), "shape")])
def test_what_is_no_graph_is_refused_in_one_line(
    module: torch.nn.Module, said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ExportError, match=said) as error:
        tracing.trace(module, (images(3),), "the encoder of odd")
    assert "\n" not in str(error.value)
    assert capfd.readouterr() == ("", "")


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
    with pytest.raises(SavedModelError):
        flowzoo.export_model(nowhere, tmp_path / "other.pt2")


def test_a_missing_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(ExportError, match=r"flowzoo\[onnx\]"):
        flowzoo.export_model(tmp_path, tmp_path / "model.onnx")


def test_a_write_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = export.write_atomically

    def failing(path: Path, content: bytes) -> None:
        if "decoder" in path.name:
            raise flowzoo.FlowzooError("no room")
        write(path, content)

    monkeypatch.setattr(export, "write_atomically", failing)
    with pytest.raises(flowzoo.FlowzooError, match="no room"):
        flowzoo.export_model(make("gaussian"), tmp_path / "model.pt2")
    assert not list(tmp_path.iterdir())


def test_the_command_prints_the_largest_difference(tmp_path: Path) -> None:
    flowzoo.save_model(make("gaussian"), tmp_path / "saved")
    file = tmp_path / "decoder.pt2"
    result = CliRunner().invoke(
        app, ["export", str(tmp_path / "saved"), "-o", str(file), "--part", "decoder"]
    )
    assert result.exit_code == 0, result.output
    assert file.exists()
    assert "latent_0 -> images" in result.output
    assert "largest difference" in result.output
    again = CliRunner().invoke(app, ["export", str(tmp_path / "saved"), "-o", str(file), "--part", "decoder"])
    assert again.exit_code == 2
    assert again.output.count("\n") == 1
