"""The data sets of the hub, on small files of its format and of their authors' archives."""

import io
import sys

import numpy as np
import pytest
from PIL import Image

from flowzoo.data.load import load_dataset
from flowzoo.errors import DataError
from flowzoo.testing import check_component

SHAPES = {  # what is stored: height, width, the images' column, the hub's names of the splits
    "cifar10": (32, 32, "img", {"train": "train", "test": "test"}),
    "svhn": (32, 32, "image", {"train": "train", "test": "test"}),
    "imagenet32-oord": (32, 32, "image", {"train": "train", "test": "validation"}),
    "imagenet64-oord": (64, 64, "image", {"train": "train", "test": "validation"}),
    "imagenet32-box": (32, 32, "image", {"train": "train", "test": "validation"}),
    "imagenet64-box": (64, 64, "image", {"train": "train", "test": "validation"}),
    "celeba64": (218, 178, "image", {"train": "train", "validation": "valid", "test": "test"}),
}
COUNTS = {"train": 20, "validation": 3, "test": 4}
UNCUT = [name for name in SHAPES if name != "celeba64"]
ON_DISK = [name for name in SHAPES if name not in ("cifar10", "svhn")]
BOTH_ORIGINS = {
    "cifar10": "uoft-cs/cifar10",
    "svhn": "ufldl-stanford/svhn",
    "imagenet64-box": "sradc/imagenet_resized_64x64",
    "celeba64": "flwrlabs/celeba",
}
SUBSETS = {"svhn": {"name": "cropped_digits"}}
"""What else the hub is asked for."""


@pytest.fixture(scope="module")
def pictures():
    """Random images of each data set's stored size, by split."""
    rng = np.random.default_rng(0)
    return {
        name: {
            split: rng.integers(0, 256, (COUNTS[split], height, width, 3), dtype=np.uint8) for split in splits
        }
        for name, (height, width, _, splits) in SHAPES.items()
    }


@pytest.fixture
def hub_folder(tmp_path, write_parquet, pictures):
    """Write a data set as the hub serves it, the training split in two files divided at ``cut``."""

    def write(name, cut=10, folder="hub", column=None, **replaced):
        _, _, its_column, splits = SHAPES[name]
        images = {**pictures[name], **replaced}
        for split, theirs in splits.items():
            parts = [images[split][:cut], images[split][cut:]] if split == "train" else [images[split]]
            for place, part in enumerate(parts):
                path = tmp_path / folder / "data" / f"{theirs}-{place:05}-of-{len(parts):05}.parquet"
                write_parquet(path, part, column or its_column)
        return tmp_path / folder

    return write


def images_of(dataset, split):
    source = dataset.split(split)
    return source.take(range(len(source))).numpy()


def channels_first(pixels):
    return pixels.transpose(0, 3, 1, 2)


def refused(match, name, **options):
    with pytest.raises(DataError, match=match) as caught:
        load_dataset(name, **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", UNCUT)
def test_images_are_those_of_the_files(hub_folder, pictures, name):
    dataset = load_dataset(name, root=str(hub_folder(name)))
    held_out = [5, 15]
    train = channels_first(pictures[name]["train"])
    assert np.array_equal(images_of(dataset, "train"), np.delete(train, held_out, axis=0))
    assert np.array_equal(images_of(dataset, "validation"), train[held_out])
    assert np.array_equal(images_of(dataset, "test"), channels_first(pictures[name]["test"]))


def test_faces_are_cut_and_scaled(hub_folder, pictures):
    dataset = load_dataset("celeba64", root=str(hub_folder("celeba64")))
    assert dataset.info.sizes == COUNTS
    for split in COUNTS:
        for found, stored in zip(images_of(dataset, split), pictures["celeba64"][split], strict=True):
            cut = Image.fromarray(stored).crop((15, 40, 163, 188))
            expected = np.asarray(cut.resize((64, 64), Image.Resampling.BILINEAR))
            assert np.array_equal(found.transpose(1, 2, 0), expected)


@pytest.mark.shuffled  # the kit loads the data set in another process too, where it comes as users get it
@pytest.mark.parametrize("name", BOTH_ORIGINS)  # the others differ from these by name and size alone
def test_the_conformance_kit_passes_on_its_files(hub_folder, name):
    results = check_component("dataset", name, root=str(hub_folder(name)))
    assert len(results) >= 5
    assert [result for result in results if not result.passed] == []


@pytest.mark.parametrize("name", SHAPES)
def test_info(hub_folder, name):
    info = load_dataset(name, root=str(hub_folder(name))).info
    size = 32 if SHAPES[name][0] == 32 else 64
    assert (info.name, info.shape, info.bins) == (name, (3, size, size), 256)
    assert info.pixels == {"name": "logit", "alpha": 0.05}


@pytest.mark.parametrize("name", SHAPES)
def test_the_revision_is_that_of_the_images(hub_folder, pictures, name):
    first = load_dataset(name, root=str(hub_folder(name, cut=10))).info
    redivided = load_dataset(name, root=str(hub_folder(name, cut=7, folder="other"))).info
    fewer = {"train": pictures[name]["train"][:-1]}
    changed = load_dataset(name, root=str(hub_folder(name, folder="changed", **fewer))).info
    assert redivided.revision == first.revision
    assert changed.revision != first.revision


@pytest.mark.parametrize("size", [32, 64])
def test_the_two_imagenets_are_two_data_sets(hub_folder, size):
    root = str(hub_folder(f"imagenet{size}-oord"))
    infos = [load_dataset(f"imagenet{size}-{kind}", root=root).info for kind in ("oord", "box")]
    assert [info.name for info in infos] == [f"imagenet{size}-oord", f"imagenet{size}-box"]
    assert infos[0].revision != infos[1].revision


@pytest.mark.parametrize("name", UNCUT)
def test_grey_images_become_colour(hub_folder, pictures, name):
    grey = pictures[name]["test"][..., 0]
    test = images_of(load_dataset(name, root=str(hub_folder(name, test=grey))), "test")
    assert np.array_equal(test, np.stack([grey] * 3, axis=1))


@pytest.mark.parametrize("name", SHAPES)
def test_images_of_another_size_are_refused(hub_folder, name):
    height, width = SHAPES[name][:2]
    wrong = np.zeros((4, 16, 16, 3), np.uint8)
    root = str(hub_folder(name, test=wrong))
    refused(rf"{name}, split 'test': image 0 of 4 .*16x16 .*{height}x{width}", name, root=root)


@pytest.mark.parametrize("name", SHAPES)
def test_another_column_is_refused(hub_folder, name):
    root = str(hub_folder(name, column="picture"))
    refused(rf"hub.*'{SHAPES[name][2]}'.*picture, label", name, root=root)


@pytest.mark.parametrize("name", SHAPES)
def test_a_file_cut_short_is_refused(hub_folder, name):
    root = hub_folder(name)
    path = next(root.rglob("train-00001-*.parquet"))
    path.write_bytes(path.read_bytes()[:-100])
    refused(r"cannot read .*hub: \w+: ", name, root=str(root))


@pytest.mark.parametrize("name", SHAPES)
def test_a_missing_split_is_named(hub_folder, name):
    root = hub_folder(name)
    theirs = SHAPES[name][3]["test"]
    next(root.rglob(f"{theirs}-*.parquet")).unlink()
    refused(rf"{theirs}-\*\.parquet.*hub", name, root=str(root))


def test_a_copy_of_the_hub_with_several_subsets_is_read(hub_folder, pictures, tmp_path):
    hub_folder("svhn", folder="copy/cropped_digits")
    hub_folder("svhn", folder="copy/full_numbers", test=pictures["svhn"]["test"][:1])
    dataset = load_dataset("svhn", root=str(tmp_path / "copy"))
    assert dataset.info.sizes == {"train": 18, "validation": 2, "test": 4}


@pytest.mark.parametrize("name", SHAPES)
def test_an_empty_folder_is_refused_with_advice(tmp_path, name):
    refused(rf"{name}.*train-\*\.parquet", name, root=str(tmp_path))


@pytest.mark.parametrize("name", SHAPES)
def test_a_missing_library_is_named_with_its_extra(monkeypatch, hub_folder, name):
    root = str(hub_folder(name))
    monkeypatch.setitem(sys.modules, "datasets", None)
    refused(r"pip install 'flowzoo\[hub\]'", name, root=root)


@pytest.mark.parametrize("name", SHAPES)
def test_image_folders_hold_the_same_images(tmp_path, pictures, name):
    for split, theirs in SHAPES[name][3].items():
        for place, each in enumerate(pictures[name][split]):
            path = tmp_path / theirs / f"class{place // 7}" / f"{place:03}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(each).save(path)
    dataset = load_dataset(name, root=str(tmp_path))
    assert dataset.info.sizes["test"] == COUNTS["test"]
    if name in UNCUT:
        assert np.array_equal(images_of(dataset, "test"), channels_first(pictures[name]["test"]))


@pytest.mark.parametrize("size", [32, 64])
def test_the_original_archives_of_the_older_imagenet_are_read(tmp_path, pictures, size):
    name = f"imagenet{size}-oord"
    for split, folder in (("train", "train"), ("test", "valid")):
        (tmp_path / f"{folder}_{size}x{size}").mkdir()
        for place, each in enumerate(pictures[name][split]):
            Image.fromarray(each).save(tmp_path / f"{folder}_{size}x{size}" / f"{place:05}.png")
    dataset = load_dataset(name, root=str(tmp_path))
    assert np.array_equal(images_of(dataset, "test"), channels_first(pictures[name]["test"]))


@pytest.mark.parametrize("kind", ["struct", "binary"])
def test_tables_that_do_not_say_that_they_hold_pictures_are_read(tmp_path, write_parquet, pictures, kind):
    import pyarrow
    from pyarrow import parquet

    (tmp_path / "hub").mkdir()
    stored = pictures["imagenet32-box"]
    for split, theirs in SHAPES["imagenet32-box"][3].items():
        files = []
        for each in stored[split]:
            buffer = io.BytesIO()
            Image.fromarray(each).save(buffer, format="PNG")
            files.append(buffer.getvalue())
        cells = files if kind == "binary" else [{"bytes": content, "path": ""} for content in files]
        table = pyarrow.table({"image": cells})
        parquet.write_table(table, tmp_path / "hub" / f"{theirs}-00000-of-00001.parquet")
    dataset = load_dataset("imagenet32-box", root=str(tmp_path / "hub"))
    assert np.array_equal(images_of(dataset, "test"), channels_first(stored["test"]))


def test_arrays_instead_of_pictures_are_read_as_the_hub_has_them(tmp_path, write_parquet, pictures):
    import datasets

    features = datasets.Features(
        {"image": datasets.Array3D((64, 64, 3), "uint8"), "label": datasets.Value("int32")}
    )
    stored = pictures["imagenet64-box"]
    (tmp_path / "hub").mkdir()
    for split, theirs in SHAPES["imagenet64-box"][3].items():
        rows = {"image": list(stored[split]), "label": [0] * len(stored[split])}
        table = datasets.Dataset.from_dict(rows, features=features)
        table.to_parquet(tmp_path / "hub" / f"{theirs}-00000-of-00001.parquet")
    dataset = load_dataset("imagenet64-box", root=str(tmp_path / "hub"))
    assert np.array_equal(images_of(dataset, "test"), channels_first(stored["test"]))
    assert np.array_equal(
        dataset.split("train").take([3, 0]).numpy(), channels_first(stored["train"][[3, 0]])
    )


def test_arrays_of_another_kind_are_refused(tmp_path, write_parquet):
    import datasets

    features = datasets.Features({"image": datasets.Array3D((3, 64, 64), "float32")})
    table = datasets.Dataset.from_dict({"image": [np.zeros((3, 64, 64), np.float32)]}, features=features)
    (tmp_path / "hub").mkdir()
    for theirs in ("train", "validation"):
        table.to_parquet(tmp_path / "hub" / f"{theirs}-00000-of-00001.parquet")
    match = r"column 'image' holds float32 arrays of shape \(3, 64, 64\), expected uint8 and \(H, W, 3\)"
    refused(match, "imagenet64-box", root=str(tmp_path / "hub"))


@pytest.mark.parametrize("name", BOTH_ORIGINS)
def test_images_from_the_hub_are_those_of_its_files(monkeypatch, hub_folder, name):
    import datasets

    root = hub_folder(name)
    expected = load_dataset(name, root=str(root))
    files = {
        theirs: [str(path) for path in sorted(root.rglob(f"{theirs}-*.parquet"))]
        for theirs in SHAPES[name][3].values()
    }
    tables = datasets.load_dataset("parquet", data_files=files)

    def load(repository, **options):
        assert (repository, options) == (BOTH_ORIGINS[name], SUBSETS.get(name, {}))
        return tables

    monkeypatch.setattr(datasets, "load_dataset", load)
    found = load_dataset(name)
    assert found.info == expected.info
    assert np.array_equal(images_of(found, "test"), images_of(expected, "test"))


@pytest.mark.parametrize("name", BOTH_ORIGINS)
def test_a_hub_out_of_reach_is_one_line(monkeypatch, name):
    import datasets

    def unreachable(repository, **options):
        raise ConnectionError(f"Couldn't reach '{repository}' on the Hub\nand a long story")

    monkeypatch.setattr(datasets, "load_dataset", unreachable)
    refused(
        rf"cannot read {BOTH_ORIGINS[name]}: ConnectionError: Couldn't reach .*data\.root",
        name,
    )


def test_a_hub_without_the_split_is_one_line(monkeypatch, hub_folder):
    import datasets

    train = str(next(hub_folder("celeba64").rglob("train-00000-*.parquet")))
    loaded = datasets.load_dataset("parquet", data_files={"train": [train]})
    monkeypatch.setattr(datasets, "load_dataset", {"flwrlabs/celeba": loaded}.__getitem__)
    refused("cannot read flwrlabs/celeba: .*'valid'.*train", "celeba64")


@pytest.mark.parametrize("name", sorted(set(SHAPES) - set(BOTH_ORIGINS)))
def test_what_is_on_no_hub_asks_for_its_files(name):
    refused(rf"{name}.*data\.root.*image-net\.org", name)


def test_celeba_is_read_as_its_archive_holds_it(tmp_path, pictures):
    (tmp_path / "img_align_celeba").mkdir()
    lines = []
    for code, split in enumerate(("train", "validation", "test")):
        for each in pictures["celeba64"][split]:
            name = f"{len(lines) + 1:06}.png"
            Image.fromarray(each).save(tmp_path / "img_align_celeba" / name)
            lines.append(f"{name} {code}")
    partition = tmp_path / "list_eval_partition.txt"
    partition.write_text("\n".join(lines) + "\n")
    assert load_dataset("celeba64", root=str(tmp_path)).info.sizes == COUNTS
    partition.write_text("000001.jpg train\n")
    refused(r"partition\.txt: .*'000001\.jpg train'", "celeba64", root=str(tmp_path))


@pytest.mark.parametrize("name", ON_DISK)
def test_an_image_is_decoded_when_it_is_taken(hub_folder, monkeypatch, name):
    decoded = []
    dataset = load_dataset(name, root=str(hub_folder(name)))
    load = Image.Image.convert
    monkeypatch.setattr(Image.Image, "convert", lambda image, mode: decoded.append(1) or load(image, mode))
    dataset.split("train").take([0, 3])
    assert 2 <= len(decoded) <= 4


@pytest.mark.parametrize("name", ["imagenet32-oord", "cifar10"])
def test_a_damaged_image_in_a_table_is_named(tmp_path, write_parquet, name):
    import datasets

    column, splits = SHAPES[name][2:]
    features = datasets.Features({column: datasets.Image()})
    (tmp_path / "hub").mkdir()
    for theirs in splits.values():
        table = datasets.Dataset.from_dict(
            {column: [{"bytes": b"no image", "path": None}] * 3}, features=features
        )
        table.to_parquet(tmp_path / "hub" / f"{theirs}-00000-of-00001.parquet")
    refused(rf"{name}, split '\w+': image \d of 3", name, root=str(tmp_path / "hub"))


@pytest.mark.parametrize("name", ["imagenet32-oord", "cifar10"])
def test_a_row_without_an_image_is_named(tmp_path, write_parquet, name):
    import datasets

    column, splits = SHAPES[name][2:]
    features = datasets.Features({column: datasets.Image()})
    (tmp_path / "hub").mkdir()
    for theirs in splits.values():
        table = datasets.Dataset.from_dict({column: [None] * 3}, features=features)
        table.to_parquet(tmp_path / "hub" / f"{theirs}-00000-of-00001.parquet")
    refused(r"row \d of .*hub, \w+", name, root=str(tmp_path / "hub"))
