"""Patches of photographs in Debian packages: made-up packages, and the small one where it is installed."""

import hashlib
import io
import pickle
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from flowzoo.data import regions, wallpapers
from flowzoo.data.read_ahead import read_ahead
from flowzoo.data.wallpapers import LIST, SMALL, build_wallpapers
from flowzoo.errors import DataError, OptionError
from flowzoo.testing import checks_for, run_check, trial_of
from flowzoo.yaml_text import read_yaml

OTHER = "other-backgrounds"
SPLITS = ("train", "validation", "test")


def encoded(photograph):
    file = io.BytesIO()
    Image.fromarray(photograph).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def contents(monkeypatch, tmp_path):
    """Encoded photographs of two packages, by package and path in it; the list names them and no others.

    They are small, and stay in memory with a short side of 64.
    """
    monkeypatch.setattr(wallpapers, "SHORT_SIDE", 64)
    monkeypatch.setenv("FLOWZOO_CACHE", str(tmp_path / "cache"))
    rng = np.random.default_rng(0)
    listed, files = {}, {}
    for package, shape in ((SMALL, (64, 70, 3)), (OTHER, (128, 150, 3))):
        folder = f"usr/share/{package}"
        photographs = {}
        for split in SPLITS:
            content = encoded(rng.integers(0, 256, shape, dtype=np.uint8))
            files[package, f"{folder}/{split}.jpg"] = content
            photographs[split] = {f"{split}.jpg": hashlib.sha256(content).hexdigest()}
        listed[package] = {"version": "1", "folder": folder, "licence": "MIT", "photographs": photographs}
    place = tmp_path / "list.yaml"
    place.write_text(yaml.safe_dump(listed))
    monkeypatch.setattr(wallpapers, "LIST", place)
    return files


build = partial(wallpapers.build_wallpapers, short_side=64)


def unpack(contents, root, *packages, apart=True):
    for (package, path), content in contents.items():
        if package in packages:
            file = root / package / path if apart else root / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
    return str(root)


def images_of(dataset, split):
    return dataset[split].take(range(len(dataset[split]))).numpy()


def as_set(images):
    return {image.tobytes() for image in images}


@pytest.mark.parametrize(
    ("size", "height", "width"), [(8, 8, 8), ((16, 12), 16, 12), ((12, 9), 12, 9), (64, 64, 64)]
)
def test_patches_tile_the_middle_of_each_photograph(contents, tmp_path, size, height, width):
    dataset = build(root=unpack(contents, tmp_path, SMALL), size=size, packages="small")
    assert dataset.info.shape == (3, height, width)
    for split in SPLITS:
        photograph = np.asarray(Image.open(io.BytesIO(contents[SMALL, f"usr/share/{SMALL}/{split}.jpg"])))
        down, right = (height // 2, width // 2) if split == "train" else (height, width)
        expected = [
            photograph[top : top + height, left : left + width].transpose(2, 0, 1)
            for top in range((64 - height) % down // 2, 64 - height + 1, down)
            for left in range((70 - width) % right // 2, 70 - width + 1, right)
        ]
        found = images_of(dataset, split)
        assert len(found) == len(expected) == dataset.info.sizes[split]
        assert as_set(found) == as_set(expected)


def test_a_patch_of_a_single_colour_is_left_out(contents, tmp_path, monkeypatch):
    root = unpack(contents, tmp_path, SMALL)
    photograph = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    photograph[:8, :8] = 255
    photograph[8:16, :8] = 9, 99, 200
    content = encoded(photograph)
    next(Path(root).rglob("test.jpg")).write_bytes(content)
    listed = wallpapers.LIST.read_text()
    old = contents[SMALL, f"usr/share/{SMALL}/test.jpg"]
    new, old = (hashlib.sha256(each).hexdigest() for each in (content, old))
    wallpapers.LIST.write_text(listed.replace(old, new))
    assert build(root=root, size=8, packages="small").info.sizes["test"] == 64 - 2


def test_larger_photographs_are_scaled_and_not_aliased(contents, tmp_path):
    dataset = build(root=unpack(contents, tmp_path, SMALL, OTHER), size=32)
    assert dataset.info.sizes["test"] == 2 * (70 // 32) + 2 * (75 // 32)
    spread = sorted(image.std() for image in images_of(dataset, "test"))
    # Half the patches are noise as it was drawn, half are means over some four values of it.
    assert spread[3] < 50
    assert spread[4] > 60


@pytest.mark.parametrize("apart", [True, False])
def test_packages_are_found_unpacked_apart_or_together(contents, tmp_path, apart):
    root = unpack(contents, tmp_path / "unpacked", SMALL, OTHER, apart=apart)
    dataset = build(root=root)
    assert SMALL in dataset.info.source
    assert OTHER in dataset.info.licence


def test_small_needs_one_package_and_is_another_data_set(contents, tmp_path):
    small = build(root=unpack(contents, tmp_path, SMALL), packages="small").info
    assert OTHER not in small.source
    whole = build(root=unpack(contents, tmp_path, OTHER)).info
    assert small.revision != whole.revision


def test_missing_packages_are_named_in_one_line(contents, tmp_path):
    with pytest.raises(DataError, match=rf"apt-get install {OTHER}\..*root=FOLDER") as caught:
        build(root=unpack(contents, tmp_path, SMALL))
    assert "3 of 6 photographs" in str(caught.value)
    assert "\n" not in str(caught.value)
    with pytest.raises(DataError, match=rf"{SMALL} {OTHER}"):
        build(root=str(LIST.parent))


def test_one_missing_photograph_is_refused(contents, tmp_path):
    root = unpack(contents, tmp_path, SMALL, OTHER)
    (tmp_path / OTHER / f"usr/share/{OTHER}" / "test.jpg").unlink()
    with pytest.raises(DataError, match=rf"1 of 6 photographs.*{OTHER}"):
        build(root=root)


def test_another_photograph_in_the_place_of_one_is_refused(contents, tmp_path):
    root = unpack(contents, tmp_path, SMALL)
    file = next(Path(root).rglob("test.jpg"))
    file.write_bytes(file.read_bytes() + b" ")
    with pytest.raises(DataError, match=rf"test\.jpg .*SHA-256.*{SMALL}") as caught:
        build(root=root, packages="small")
    assert "\n" not in str(caught.value)


def test_a_folder_that_is_not_there_is_named(contents, tmp_path):
    with pytest.raises(DataError, match="nowhere"):
        build(root=str(tmp_path / "nowhere"))


def test_the_list_holds_each_photograph_once():
    listed = read_yaml(LIST)
    digests = [
        digest
        for package in listed.values()
        for photographs in package["photographs"].values()
        for digest in photographs.values()
    ]
    assert len(digests) == len(set(digests)) == 35
    assert all(len(digest) == 64 for digest in digests)
    assert list(listed[SMALL]["photographs"]) == list(SPLITS)


def test_large_photographs_are_read_from_files_that_are_kept(contents, tmp_path):
    root = unpack(contents, tmp_path / "root", SMALL, OTHER)
    dataset = build(root=root, size=64, short_side="full")
    files = sorted((tmp_path / "cache" / "photographs").iterdir())
    assert len(files) == 6
    before = [file.stat().st_mtime_ns for file in files]
    again = build(root=root, size=64, short_side="full")
    assert [file.stat().st_mtime_ns for file in files] == before
    assert dataset.info.revision == again.info.revision
    assert not dataset["train"].in_memory
    photographs = [
        np.asarray(Image.open(io.BytesIO(content)))
        for (package, path), content in contents.items()
        if path.endswith("test.jpg")
    ]
    expected = [photographs[0][:, 3:67]] + [
        photographs[1][top : top + 64, left : left + 64] for top in (0, 64) for left in (11, 75)
    ]
    assert as_set(images_of(dataset, "test")) == as_set([each.transpose(2, 0, 1) for each in expected])


def test_patches_of_large_photographs_are_those_of_scaled_ones(contents, tmp_path, monkeypatch):
    root = unpack(contents, tmp_path / "root", SMALL, OTHER)
    in_memory = build(root=root, size=32)
    monkeypatch.setattr(wallpapers, "SHORT_SIDE", 32)
    read = build(root=root, size=32)
    assert not read["train"].in_memory
    for split in SPLITS:
        assert (images_of(read, split) == images_of(in_memory, split)).all()
    with_workers = list(read_ahead(read, 1)["train"].stream([[3, 1], [0]]))
    assert (with_workers[0].numpy() == images_of(in_memory, "train")[[3, 1]]).all()
    unpickled = pickle.loads(pickle.dumps(read["test"]))
    assert (unpickled.take([2]) == read["test"].take([2])).all()
    assert len(pickle.dumps(read["test"])) < 10_000


@pytest.mark.parametrize("damage", [b"", b"no pixels", None])
def test_a_damaged_file_of_the_cache_is_made_again(contents, tmp_path, damage):
    root = unpack(contents, tmp_path / "root", SMALL)
    wanted = build(root=root, size=64, short_side="full", packages="small")
    for file in (tmp_path / "cache" / "photographs").iterdir():
        file.write_bytes(file.read_bytes()[:1000] if damage is None else damage)
    found = build(root=root, size=64, short_side="full", packages="small")
    assert found.info.revision == wanted.info.revision


def test_without_a_cache_photographs_lie_in_memory(contents, tmp_path, caplog):
    (tmp_path / "cache").write_text("a file, and no folder")
    found = build(
        root=unpack(contents, tmp_path / "root", SMALL), size=64, short_side="full", packages="small"
    )
    assert len(found["test"]) == 1
    assert [each.levelname for each in caplog.records] == ["WARNING"]  # once, not for each photograph
    assert "held in memory" in caplog.text
    assert "FLOWZOO_CACHE" in caplog.text


def test_a_patch_larger_than_the_photographs_is_refused(contents, tmp_path):
    with pytest.raises(OptionError, match="larger short_side, at most 1024, or full") as caught:
        build(root=unpack(contents, tmp_path, SMALL), size=(8, 80), packages="small")
    assert "\n" not in str(caught.value)


def test_more_patches_than_a_split_can_have_are_refused(contents, tmp_path, monkeypatch):
    root = unpack(contents, tmp_path, SMALL)
    wanted = build(root=root, size=8, packages="small")  # 15 rows and 16 columns begin in 64x70 pixels
    monkeypatch.setattr(regions, "MOST", 240)
    assert build(root=root, size=8, packages="small").info == wanted.info
    monkeypatch.setattr(regions, "MOST", 239)
    with pytest.raises(OptionError, match=r"have 240 patches of 8x8, and .* at most 239\. Give a larger"):
        build(root=root, size=8, packages="small")


@pytest.mark.parametrize("check", [each for each in checks_for("dataset") if each != "another-process"])
def test_it_passes_the_checks_of_data_sets(contents, tmp_path, check):
    root = unpack(contents, tmp_path / "root", SMALL, OTHER)
    result = run_check(trial_of("dataset", "wallpapers", root=root, size=16, short_side=64), check)
    assert result.passed, result.detail


needs_the_small_package = pytest.mark.skipif(
    not Path("/usr/share/backgrounds/Wine_by_Jakkub_Mede.jpg").exists(),
    reason=f"needs the Debian package {SMALL}",
)


@needs_the_small_package
def test_the_installed_package_gives_the_patches_of_every_other_machine():
    info = build_wallpapers(packages="small").info
    assert info.sizes == {"train": 10_528, "validation": 809, "test": 1200}
    # A decoder that rounds otherwise makes another data set: docs/data.md then has to say so.
    assert info.revision == "b33dffc9fe9a1dcb"


@needs_the_small_package
def test_another_process_loads_the_same():
    trial = trial_of("dataset", "wallpapers", root="/", packages="small")
    result = run_check(trial, "another-process")
    assert result.passed, result.detail
