"""``flowzoo compress``: images without loss, in as many bits as a trained model says they are worth."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flowzoo.cli.console import complain, say
from flowzoo.cli.moved import MovedOption, read_moved
from flowzoo.cli.subject import DataOption, ModelArgument


def compress(
    run: ModelArgument,
    split: Annotated[
        str, typer.Option("--split", help="Images to compress: train, validation or test.")
    ] = "test",
    images: Annotated[int, typer.Option("--images", min=1, help="Number of images: the first N.")] = 100,
    output: Annotated[Path, typer.Option("-o", "--output", help="File to write.")] = Path("images.fz"),
    check: Annotated[
        bool, typer.Option("--check/--no-check", help="Decompress the file again, and compare.")
    ] = True,
    data: DataOption = None,
    assignments: MovedOption = None,
) -> None:
    """Compress images without loss by the density of a trained model.

    The method is local bits-back coding: the file gets as long as the model's bits/dim, plus some random bits
    that the first image needs, about 40 for each of its values. So it pays for many images at once. The model
    must have an exact likelihood and no ODE solver.

    Each image costs as many passes as it has values: a fraction of a second for 8x8 grey images, minutes
    for 32x32 colour ones. The file can be decompressed with the same model, on a machine that rounds in the
    same way.
    """
    moved = read_moved(assignments)
    from flowzoo.cli.progress import counting_each
    from flowzoo.coding.archive import compress as compressed
    from flowzoo.coding.archive import decompress, ideal_bits
    from flowzoo.coding.codes import CODES, code_length
    from flowzoo.errors import NumericalError
    from flowzoo.files import check_output, write_atomically
    from flowzoo.loading import load_subject

    check_output(output, "compressed file")
    subject = load_subject(run, data, moved, "cpu")
    for note in (note for each, note in subject.data.changes.items() if each == split):
        complain(f"warning: {note}.")
    flow, source = subject.flow, subject.data.dataset.split(split)
    found = source.take(range(min(images, len(source))))
    with counting_each() as counting:
        made = compressed(flow, found, progress=counting("images"))
        if check:
            again = decompress(flow, made.content, progress=counting("images checked"))
            if not bool((again == found).all()):
                raise NumericalError("the images did not come back; report this as a mistake of flowzoo")
    write_atomically(output, made.content)
    ideal = ideal_bits(flow, found, range(len(found)))
    say(f"wrote {output}: {len(found)} images in {len(made.content):,} bytes{', checked' if check else ''}")
    say(f"  {made.net_bits_per_dim:.3f} bits/dim without the initial bits; {ideal:.3f} is the model's")
    say(
        f"  {made.bits_per_dim:.3f} bits/dim with {made.initial_bits / 8:,.0f} bytes of these, and the header"
    )
    for name in CODES:
        say(f"  {code_length(found, name) / found.numel():.3f} bits/dim as one {name} file")
