"""``flowzoo decompress``: the images of a file that ``flowzoo compress`` wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flowzoo.cli.console import say
from flowzoo.cli.subject import ModelArgument
from flowzoo.errors import OptionError


def decompress(
    run: ModelArgument,
    file: Annotated[Path, typer.Argument(help="File that flowzoo compress wrote.")],
    output: Annotated[
        Path,
        typer.Option(
            "-o", "--output", help="Where to write the images: a .npy file, (N, C, H, W), or a .png of all."
        ),
    ] = Path("images.npy"),
) -> None:
    """Decompress images that flowzoo compress wrote with the same model.

    A .npy file holds the integers exactly as they were: numpy.load reads it. A .png shows all images in one
    picture.
    """
    import io

    import numpy as np

    from flowzoo.cli.progress import counting
    from flowzoo.coding.archive import decompress as decompressed
    from flowzoo.device import prepare_device
    from flowzoo.errors import FileError
    from flowzoo.files import check_output, refusal, write_atomically
    from flowzoo.loading import load_model
    from flowzoo.pictures import save_grid

    if output.suffix not in (".npy", ".png"):
        raise OptionError(f"--output cannot write {output}. Its name must end in .npy or .png")
    check_output(output, "file")
    if not file.is_file():
        raise FileError(f"there is no file {file}. Name one that flowzoo compress wrote")
    try:
        content = file.read_bytes()
    except OSError as error:
        raise FileError(f"cannot read {file}: {refusal(error)}") from error
    flow = load_model(run, prepare_device("cpu"))
    with counting("images") as progress:
        images = decompressed(flow, content, progress=progress)
    if output.suffix == ".npy":
        buffer = io.BytesIO()
        np.save(buffer, images.numpy(), allow_pickle=False)
        write_atomically(output, buffer.getvalue())
    else:
        save_grid((images.double() + 0.5) / flow.bins, output, flow.bins)
    say(f"wrote {output}: {len(images)} images of {'x'.join(map(str, images.shape[1:]))}")
