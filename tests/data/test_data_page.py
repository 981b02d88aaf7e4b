"""What ``docs/data.md`` states is so."""

import re
from pathlib import Path

import numpy as np
import pytest

from flowzoo.data.load import load_dataset
from flowzoo.registry.loader import default_registry

PAGE = (Path(__file__).parents[2] / "docs" / "data.md").read_text(encoding="utf-8")
ROWS = {
    cells[0].strip("` "): [cell.strip() for cell in cells[1:]]
    for cells in (line.strip("|").split("|") for line in PAGE.splitlines() if line.startswith("| `"))
    if len(cells) == 5
}
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def test_every_data_set_of_the_core_has_its_row():
    assert set(ROWS) == {component.name for component in default_registry().components("dataset")}


@pytest.mark.parametrize("name", ["digits", "lfw-subset", "mnist-5k", "photos"])
def test_the_splits_are_as_large_as_stated(name):
    info = load_dataset(name).info
    stated = [int(size.replace(",", "")) for size in ROWS[name][2].split("/")]
    assert stated == [info.sizes[split] for split in ("train", "validation", "test")]
    assert ROWS[name][1].startswith("x".join(map(str, info.shape)))


def test_the_example_makes_a_data_set():
    _, example = EXAMPLES
    names = {}
    exec(example, names)
    dataset = names["build_stripes"](count=5)
    assert dataset.info.shape == (1, 8, 8)
    assert dataset.info.sizes == {"train": 5, "validation": 5, "test": 5}


def test_the_archives_of_the_newer_imagenet_become_parquet_files(tmp_path, monkeypatch, write_parquet):
    rng = np.random.default_rng(0)
    stored = {
        name: rng.integers(0, 256, (count, 3 * 32 * 32), dtype=np.uint8)
        for name, count in (("train_data_batch_1", 12), ("train_data_batch_2", 8), ("val_data", 4))
    }
    for name, rows in stored.items():
        folder = tmp_path / "archives" / f"Imagenet32_{name[:3]}_npz"
        folder.mkdir(parents=True, exist_ok=True)
        np.savez(folder / f"{name}.npz", data=rows, labels=np.zeros(len(rows)))
    monkeypatch.chdir(tmp_path)
    conversion, _ = EXAMPLES
    exec(conversion, {})
    dataset = load_dataset("imagenet32-box", root=str(tmp_path / "imagenet32-box"))
    assert dataset.info.sizes == {"train": 18, "validation": 2, "test": 4}
    test = dataset.split("test").take(range(4)).numpy()
    assert np.array_equal(test, stored["val_data"].reshape(-1, 3, 32, 32))
