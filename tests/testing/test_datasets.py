"""Data sets of files, as others write them: what the kit finds in them, and what it leaves alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from flowzoo.testing import check_component, checks_for, findings, run_check, trial_of
from tests.conftest import InstallPlugin

PLUGIN = """
import hashlib
from pathlib import Path

import numpy as np
from PIL import Image

from flowzoo.api import Component, Check, Dataset, hookimpl, in_memory

flowzoo_api_version = 2

@hookimpl
def flowzoo_components():
    return [Component("dataset", "own", "flowzoo_own:build", "Files of somebody's own.")]

def read(path):
    return np.asarray(Image.open(path))[None]

def build(*, folder: Path, size: int = 8):
    PATHS
    if len(paths) < 9:
        from flowzoo.api import DataError
        raise DataError("too few files")
    images = np.stack([read(path) for path in paths])
    third = len(images) // 3
    dataset = in_memory(
        "own",
        {"train": images[:third], "validation": images[third : 2 * third], "test": images[2 * third :]},
        bins=256, licence="none", source="drawn", pixels={"name": "affine"},
    )
    REVISION
    return dataset
"""
SORTED = "paths = sorted(folder.rglob('*.png'))"
BY_CONTENT = "pass"


def revision(text: str) -> str:
    changed = f"replace(dataset.info, revision={text})"
    return f"from dataclasses import replace; dataset = Dataset({changed}, dataset.splits)"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "images"
    root.mkdir()
    generator = np.random.default_rng(0)
    for place in range(60):
        pixels = generator.integers(0, 256, (8, 8), dtype=np.uint8)
        Image.fromarray(pixels).save(root / f"image-{place:02}.png")
    return root


def plugin(paths: str = SORTED, revised: str = BY_CONTENT) -> str:
    return PLUGIN.replace("PATHS", paths).replace("REVISION", revised)


def test_a_sound_one_passes_once_it_has_its_files(install_plugin: InstallPlugin, folder: Path) -> None:
    install_plugin("flowzoo-own", plugin())

    (finding,) = findings(check_component("dataset", "own"))
    assert finding.needs_files
    assert all(each in finding.detail for each in ("needs files", "folder", "own"))
    assert findings(check_component("dataset", "own", folder=str(folder))) == []


@pytest.mark.parametrize(
    ("check", "paths", "revised"),
    [
        pytest.param(
            "repeatable", "paths = list(folder.glob('*.png'))", BY_CONTENT, id="as pathlib lists them"
        ),
        pytest.param(
            "repeatable",
            "import os; paths = [folder / name for name in os.listdir(folder)]",
            BY_CONTENT,
            id="as os lists them",
        ),
        pytest.param(
            "repeatable",
            "import os; paths = [entry.path for entry in os.scandir(folder)]",
            BY_CONTENT,
            id="as scandir lists them",
        ),
        pytest.param(
            "repeatable",
            "import random; paths = sorted(folder.rglob('*.png')); random.shuffle(paths)",
            BY_CONTENT,
            id="shuffled",
        ),
        pytest.param(
            "another-process",
            "paths = sorted({str(path) for path in folder.rglob('*.png')}, key=hash)",
            BY_CONTENT,
            id="in the order of a set",
        ),
        pytest.param(
            "global-random-state",
            f"{SORTED}; np.random.seed(0); np.random.shuffle(paths)",
            BY_CONTENT,
            id="shuffled by the global generator",
        ),
        pytest.param("revision", SORTED, revision("'1.0'"), id="the revision is a constant"),
        pytest.param(
            "revision",
            SORTED,
            revision("hashlib.sha256(str(paths).encode()).hexdigest()"),
            id="the revision is of paths",
        ),
        pytest.param(
            "revision",
            SORTED,
            revision("hashlib.sha256(str([path.name for path in paths]).encode()).hexdigest()"),
            id="the revision is of names",
        ),
        pytest.param(
            "revision", SORTED, revision("str(len(paths))"), id="the revision is the number of files"
        ),
        pytest.param(
            "revision",
            SORTED,
            revision("str(max(path.stat().st_ctime_ns for path in paths))"),
            id="the revision is a time",
        ),
    ],
)
def test_what_is_wrong_with_others_is_found(
    install_plugin: InstallPlugin, folder: Path, check: str, paths: str, revised: str
) -> None:
    install_plugin("flowzoo-own", plugin(paths, revised))

    result = run_check(trial_of("dataset", "own", folder=str(folder)), check)

    assert not result.passed
    assert not result.needs_files


def test_the_core_s_own_reader_of_folders_passes(folder: Path) -> None:
    for check in checks_for("dataset"):
        result = run_check(trial_of("dataset", "images", root=str(folder), size=8, channels=1), check)
        assert result.passed, f"{check}: {result.detail}"


def test_a_picture_that_stands_in_two_splits_of_a_folder_is_found(folder: Path) -> None:
    for split, names in (("train", range(50)), ("test", range(45, 60))):
        (folder / split).mkdir()
        for place in names:
            content = (folder / f"image-{place:02}.png").read_bytes()
            (folder / split / f"{split}-{place}.png").write_bytes(content)
    for path in folder.glob("*.png"):
        path.unlink()

    result = run_check(trial_of("dataset", "images", root=str(folder), size=8), "disjoint-splits")

    assert not result.passed
    assert "of 'test' are in 'train' as well" in result.detail or "'validation'" in result.detail


def test_a_share_that_the_source_repeats_is_allowed_where_it_is_declared(folder: Path) -> None:
    for split, names in (("train", range(30)), ("test", range(29, 60)), ("validation", [])):
        (folder / split).mkdir()
        for place in names:
            content = (folder / f"image-{place:02}.png").read_bytes()
            (folder / split / f"{split}-{place}.png").write_bytes(content)
    for place in range(3):
        pixels = np.full((8, 8), 80 * place, dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "validation" / f"{place}.png")
    for path in folder.glob("*.png"):
        path.unlink()
    trial = trial_of("dataset", "images", root=str(folder), size=8, channels=1)

    assert run_check(trial, "disjoint-splits").detail.startswith("1 of 31 images of 'test' are in 'train'")
    assert not run_check(trial.with_check(tolerance=1 / 32), "disjoint-splits").passed
    assert run_check(trial.with_check(tolerance=1 / 31), "disjoint-splits").passed


@pytest.mark.parametrize("check", checks_for("dataset"))
def test_dark_pictures_and_a_hundred_of_one_colour_are_no_mistake(
    install_plugin: InstallPlugin, check: str
) -> None:
    install_plugin(
        "flowzoo-dark",
        """
        import numpy as np
        from flowzoo.api import Component, hookimpl, in_memory

        flowzoo_api_version = 2

        @hookimpl
        def flowzoo_components():
            return [Component("dataset", "dark", "flowzoo_dark:build", "Dark and grey.")]

        def build():
            drawn = np.random.default_rng(0).integers(0, 140, (3, 120, 3, 6, 2))
            drawn[:, :, 1:] = drawn[:, :, :1]
            train, validation, test = drawn
            return in_memory(
                "dark", {"train": train, "validation": validation, "test": test},
                bins=256, licence="none", source="drawn", pixels={"name": "logit", "alpha": 0.05},
            )
        """,
    )

    result = run_check(trial_of("dataset", "dark"), check)

    assert result.passed, result.detail
