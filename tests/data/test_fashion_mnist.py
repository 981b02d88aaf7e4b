import sys

import numpy as np
import pytest

from flowzoo.data.fashion_mnist import build_fashion_mnist
from flowzoo.errors import DataError

HELD_OUT = 2  # a twelfth of 25


@pytest.fixture(params=["-.gz", "-", "..gz", "."])
def idx_root(request, tmp_path, write_idx, clothes):
    dot, gz = request.param[0], request.param[1:]
    for stem, split in (("train", "train"), ("t10k", "test")):
        write_idx(tmp_path / f"{stem}-images{dot}idx3-ubyte{gz}", clothes[split])
    return tmp_path


@pytest.fixture
def plain_root(tmp_path, write_idx, clothes):
    write_idx(tmp_path / "train-images-idx3-ubyte", clothes["train"])
    write_idx(tmp_path / "t10k-images-idx3-ubyte", clothes["test"])
    return tmp_path


def images_of(dataset, split):
    source = dataset.split(split)
    return source.take(range(len(source))).numpy()


def check_images(dataset, clothes):
    expected = {
        "train": clothes["train"][:-HELD_OUT],
        "validation": clothes["train"][-HELD_OUT:],
        "test": clothes["test"],
    }
    for split, raw in expected.items():
        images = images_of(dataset, split)
        assert images.shape == (len(raw), 1, 32, 32)
        assert np.array_equal(images[:, 0, 2:-2, 2:-2], raw)
        assert images.sum(dtype=np.int64) == raw.sum(dtype=np.int64), "the padding is zeros"


def test_idx_files_are_padded_and_split(idx_root, clothes):
    check_images(build_fashion_mnist(root=str(idx_root)), clothes)


def test_parquet_files_of_the_hubs_format(tmp_path, write_parquet, clothes):
    root = tmp_path / "fashion_mnist"
    half = len(clothes["train"]) // 2
    write_parquet(root / "data" / "train-00000-of-00002.parquet", clothes["train"][:half])
    write_parquet(root / "data" / "train-00001-of-00002.parquet", clothes["train"][half:])
    write_parquet(root / "data" / "test-00000-of-00001.parquet", clothes["test"])
    check_images(build_fashion_mnist(root=str(root)), clothes)


def test_info(plain_root):
    info = build_fashion_mnist(root=str(plain_root)).info
    assert (info.name, info.shape, info.bins) == ("fashion-mnist", (1, 32, 32), 256)
    assert info.pixels == {"name": "logit", "alpha": 1e-5}
    assert info.sizes == {"train": 23, "validation": 2, "test": 6}


def test_both_formats_are_one_revision(plain_root, write_parquet, clothes):
    root = plain_root / "parquet"
    for split in ("train", "test"):
        write_parquet(root / f"{split}-00000-of-00001.parquet", clothes[split])
    revisions = {build_fashion_mnist(root=str(each)).info.revision for each in (plain_root, root)}
    assert len(revisions) == 1


def test_the_halved_images_are_rounded_means(plain_root):
    large = images_of(build_fashion_mnist(root=str(plain_root)), "test").astype(int)
    small = build_fashion_mnist(root=str(plain_root), size=16)
    assert small.info.shape == (1, 16, 16)
    corners = large[..., ::2, ::2] + large[..., ::2, 1::2] + large[..., 1::2, ::2] + large[..., 1::2, 1::2]
    assert np.array_equal(images_of(small, "test"), np.rint(corners / 4))


def test_two_loads_agree(plain_root):
    first, second = (build_fashion_mnist(root=str(plain_root)) for _ in range(2))
    assert first.info == second.info
    for split in ("train", "validation", "test"):
        assert np.array_equal(images_of(first, split), images_of(second, split))


def test_a_folder_without_the_files_is_refused_with_advice(tmp_path):
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte .*dataset-fashion-mnist") as caught:
        build_fashion_mnist(root=str(tmp_path))
    assert "\n" not in str(caught.value)


def test_images_of_another_size_are_refused(plain_root, write_idx):
    write_idx(plain_root / "t10k-images-idx3-ubyte", np.zeros((6, 32, 32), np.uint8))
    with pytest.raises(DataError, match=r"test images: expected images of 28x28, got \(32, 32\)"):
        build_fashion_mnist(root=str(plain_root))


def test_too_few_images_to_split_are_refused(plain_root, write_idx):
    write_idx(plain_root / "train-images-idx3-ubyte", np.zeros((1, 28, 28), np.uint8))
    with pytest.raises(DataError, match="split 'train': there are no images"):
        build_fashion_mnist(root=str(plain_root))


def test_a_split_without_parquet_files_is_named(tmp_path, write_parquet, clothes):
    write_parquet(tmp_path / "parquet" / "train-00000-of-00001.parquet", clothes["train"])
    with pytest.raises(DataError, match=r"test-\*\.parquet"):
        build_fashion_mnist(root=str(tmp_path / "parquet"))


def test_damaged_parquet_is_refused_in_one_line(tmp_path, write_parquet, clothes):
    root = tmp_path / "parquet"
    write_parquet(root / "train-00000-of-00001.parquet", clothes["train"])
    (root / "test-00000-of-00001.parquet").write_bytes(b"PAR1 and then nothing of the kind")
    with pytest.raises(DataError, match=r"cannot read .*parquet: ") as caught:
        build_fashion_mnist(root=str(root))
    assert "\n" not in str(caught.value)


def test_parquet_without_images_is_refused_in_one_line(tmp_path, write_parquet, clothes):
    root = tmp_path / "parquet"
    for split in ("train", "test"):
        write_parquet(root / f"{split}-00000-of-00001.parquet", clothes[split], column="picture")
    with pytest.raises(DataError, match=r"parquet.*'image'.*picture, label") as caught:
        build_fashion_mnist(root=str(root))
    assert "\n" not in str(caught.value)


@pytest.fixture
def not_installed(monkeypatch, tmp_path):
    monkeypatch.setattr("flowzoo.data.fashion_mnist._INSTALLED", tmp_path / "none")


def test_files_of_the_installed_package_are_found_without_a_root(monkeypatch, plain_root, clothes):
    monkeypatch.setattr("flowzoo.data.fashion_mnist._INSTALLED", plain_root)
    check_images(build_fashion_mnist(), clothes)


@pytest.mark.usefixtures("not_installed")
def test_a_hub_out_of_reach_is_one_line_with_another_way(monkeypatch):
    import datasets

    def unreachable(name):
        raise ConnectionError(f"Couldn't reach '{name}' on the Hub\nand a long story")

    monkeypatch.setattr(datasets, "load_dataset", unreachable)
    with pytest.raises(
        DataError,
        match=r"cannot read zalando-datasets/fashion_mnist: ConnectionError: Couldn't reach .* on the Hub.*"
        r"dataset-fashion-mnist, .*"
        r"--set data\.root=FOLDER",
    ) as caught:
        build_fashion_mnist()
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("not_installed")
def test_images_from_the_hub(monkeypatch, tmp_path, write_parquet, clothes):
    import datasets

    files = {
        split: str(write_parquet(tmp_path / f"{split}-00000-of-00001.parquet", clothes[split]))
        for split in ("train", "test")
    }
    local = datasets.load_dataset("parquet", data_files=files)
    monkeypatch.setattr(datasets, "load_dataset", {"zalando-datasets/fashion_mnist": local}.__getitem__)
    check_images(build_fashion_mnist(), clothes)


@pytest.mark.usefixtures("not_installed")
def test_a_missing_library_is_named_with_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(DataError, match=r"pip install 'flowzoo\[hub\]'"):
        build_fashion_mnist()
