from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from flowzoo.shell import word


@pytest.mark.parametrize(
    "name",
    ["plain", "my run", "it's", 'a"b', "$HOME", "`x`", "a;b", "a&b", "-x", "--out", "é", "*", "~", "#1"],
)
def test_a_shell_reads_the_path_back(name: str) -> None:
    shown = word(Path(name))
    read = subprocess.run(
        ["sh", "-c", f"printf %s {shown}"], capture_output=True, text=True, check=True
    ).stdout
    assert Path(read) == Path(name)
    assert not shown.startswith("-")
