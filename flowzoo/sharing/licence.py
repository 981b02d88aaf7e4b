"""The licence under which a trained model is shared."""

from __future__ import annotations

import re

from flowzoo.errors import OptionError

OPEN = {
    *("apache-2.0", "mit", "bsd-3-clause", "isc", "unlicense"),
    *("cc0-1.0", "cc-by-3.0", "cc-by-4.0", "cc-by-sa-3.0", "cc-by-sa-4.0"),
}
"""Licences that let everybody share what was made with the images, by their identifiers on the hub."""

_IDENTIFIER = re.compile(r"[a-z0-9]+([.-][a-z0-9]+)*")


def choose_licence(stated: str | None, images: str) -> str:
    """Return the licence of a model, as the hub writes it.

    Args:
        stated: The licence that the user states; None for that of the images.
        images: The licence of the images that the model was trained on; empty if it is not known.

    Raises:
        OptionError: The images have no open licence and the user states none; or what is stated is no
            identifier.

    >>> choose_licence(None, "CC-BY-4.0")
    'cc-by-4.0'
    """
    if stated is not None:
        if not _IDENTIFIER.fullmatch(stated.lower()):
            raise OptionError(
                f"'{stated:.60}' is no identifier of a licence. Give one such as apache-2.0 or cc-by-nc-4.0, "
                "or other for one that you describe yourself"
            )
        return stated.lower()
    if images.lower() not in OPEN:
        known = f"is not an open one ({images})" if images else "is not known"
        raise OptionError(
            f"the licence of the images that this model was trained on {known}, so it may not allow to share "
            "the model. Check it, and state the model's licence: --licence NAME, for example cc-by-nc-4.0"
        )
    return images.lower()
