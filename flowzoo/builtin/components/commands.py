"""The commands that the core registers, in the order in which ``flowzoo --help`` lists them."""

from __future__ import annotations

from flowzoo.component import Component


def _command(name: str, build: str, summary: str, example: str) -> Component:
    return Component("command", name, f"flowzoo.cli.{build}", summary, example=f"flowzoo {example}")


COMMANDS = (
    _command(
        "list",
        "list:list_components",
        "List the installed components, models first.",
        "list 'msflow-*' --kind model",
    ),
    _command(
        "show",
        "show:show",
        "Show a component's summary, paper, published figures and options.",
        "show mrcnf --image-shape 3x32x32 --set levels=4",
    ),
    _command(
        "train",
        "train:train",
        "Train a model into a run folder.",
        "train mrcnf --data digits --out runs/first --seconds 60\n"
        "flowzoo train mrcnf --data digits --out runs/apart --steps 900 --parallel levels\n"
        "flowzoo train glow --data digits --out runs/log --steps 500 --log csv",
    ),
    _command(
        "sweep",
        "sweep:sweep",
        "Search for good options of a model by training it many times.",
        "sweep search.yaml --out sweeps/first\n"
        "flowzoo sweep search.yaml --out sweeps/first --show --plot sweep.png",
    ),
    _command(
        "watch",
        "watch:watch",
        "Show the curves of runs while they train.",
        "watch runs/first\nflowzoo watch runs/first runs/second",
    ),
    _command(
        "evaluate",
        "evaluate:evaluate",
        "Measure a trained model's bits/dim on held-out images.",
        "evaluate runs/first\nflowzoo evaluate runs/first --images 100 --no-audit",
    ),
    _command(
        "compare",
        "compare:compare",
        "Compare trained models: their figures, settings and validation curves.",
        "compare runs/first runs/second\nflowzoo compare runs/first runs/second --plot curves.png",
    ),
    _command(
        "diagnose",
        "diagnose:diagnose",
        "Show how much work the ODE solvers of a trained model do, and why.",
        "diagnose runs/first",
    ),
    _command(
        "ood",
        "ood:ood",
        "Measure how well a trained model tells its own images from others.",
        "ood runs/first --against noise --against constant\n"
        "flowzoo ood runs/fashion --against mnist-5k --fit --plot ood.png",
    ),
    _command(
        "compress",
        "compress:compress",
        "Compress images without loss by a trained model's density.",
        "compress runs/first --data digits --images 100 -o digits.fz",
    ),
    _command(
        "decompress",
        "decompress:decompress",
        "Decompress images that flowzoo compress wrote.",
        "decompress runs/first digits.fz -o digits.npy",
    ),
    _command(
        "sample",
        "sample:sample",
        "Draw images from a trained model into one picture.",
        "sample runs/first -n 64 -o samples.png",
    ),
    _command(
        "upscale",
        "upscale:upscale",
        "Scale images up with a trained model.",
        "upscale runs/first --steps 2 -o upscaled.png",
    ),
    _command(
        "interpolate",
        "interpolate:interpolate",
        "Draw the images between two images, through their latents.",
        "interpolate runs/first -o interpolated.png\n"
        "flowzoo interpolate runs/first --from 3 --to 7 --path spherical --levels 1,2\n"
        "flowzoo interpolate runs/first --from first.png --to second.png",
    ),
    _command(
        "reconstruct",
        "reconstruct:reconstruct",
        "Keep the latents of some levels and draw the others.",
        "reconstruct runs/first --keep 1,2 -o reconstructed.png\n"
        "flowzoo reconstruct runs/first --keep 0 --temperature 0.8 --draws 6",
    ),
    _command(
        "project",
        "project:project",
        "Show images with zero noise in the finest levels.",
        "project runs/first --steps 1 -o projected.png",
    ),
    _command(
        "inpaint",
        "inpaint:inpaint",
        "Draw missing parts of images, given the rest.",
        "inpaint runs/first --missing top -o inpainted.png\n"
        "flowzoo inpaint runs/first --mask mask.png --input photo.png --steps 1000",
    ),
    _command(
        "unfold",
        "unfold:unfold",
        "Show how images are drawn, level by level.",
        "unfold runs/first -o unfolded.gif\nflowzoo unfold runs/first -n 6 -o unfolded.png",
    ),
    _command(
        "splits",
        "splits:splits",
        "Draw which pixels each split of a trained model keeps.",
        "splits runs/first -o splits.png",
    ),
    _command(
        "push",
        "push:push",
        "Upload a trained model to the Hugging Face hub.",
        "push runs/first hf-hub:OWNER/NAME\nflowzoo push runs/first hf-hub:OWNER/NAME --licence other",
    ),
    _command(
        "export",
        "export:export",
        "Write a trained model as files for torch.export or ONNX.",
        "export runs/first -o model.pt2\nflowzoo export runs/first -o decoder.onnx --part decoder",
    ),
    _command(
        "bench",
        "bench:app",
        "Run suites of trainings and measurements, and read their results.",
        "bench run quick --out results",
    ),
    _command(
        "plugins",
        "plugins:plugins",
        "List the plugins: those that loaded, and those that failed and why.",
        "plugins --strict\nflowzoo plugins --available",
    ),
    _command(
        "install",
        "install:install",
        "Install a plugin of flowzoo's directory with pip.",
        "install wavelet-flow",
    ),
    _command(
        "check",
        "check:check",
        "Run the conformance kit over one component.",
        "check haar --kind transform",
    ),
    _command(
        "new-plugin",
        "new_plugin:new_plugin",
        "Make the folder of a new plugin, with working components and their tests.",
        "new-plugin my-flow --kind bijector --kind model --out my-flow",
    ),
)
