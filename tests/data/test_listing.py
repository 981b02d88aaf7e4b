import os
from pathlib import Path

import pytest

from flowzoo.data.listing import list_folder
from flowzoo.errors import DataError


def touch(root: Path, *paths: str) -> Path:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(b"")
    return root


def test_files_are_told_apart_and_come_in_the_order_of_their_paths(tmp_path):
    listing = list_folder(
        touch(tmp_path, "b/1.PNG", "a/x/2.jfif", "z.gif", "t-0.parquet", "notes.txt", "LICENSE", "c.tiff")
    )
    assert listing.images == ("a/x/2.jfif", "b/1.PNG", "c.tiff", "z.gif")
    assert listing.tables == ("t-0.parquet",)
    assert listing.skipped == {".txt": 1, "without a suffix": 1}
    assert listing.folders() == ["a", "b"]
    assert listing.below("b") == [tmp_path / "b/1.PNG"]


@pytest.mark.parametrize(
    "folder",
    [
        *(".ipynb_checkpoints", ".thumbnails", ".Trash-1000", ".git", ".cache"),
        *("__MACOSX", "@eaDir", "lost+found", "$RECYCLE.BIN", "System Volume Information"),
    ],
)
@pytest.mark.parametrize("above", ["", "train/cat/"])
def test_hidden_folders_and_those_of_systems_hold_no_data(tmp_path, folder, above):
    listing = list_folder(
        touch(tmp_path, "0.png", f"{above}{folder}/1.png", f"{above}{folder}/deep/2.png", f"{above}3.png")
    )
    assert [Path(path).name for path in listing.images] == ["0.png", "3.png"]
    assert listing.skipped == {f"in {folder}": 2}


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("._0.png", "hidden"),
        (".0.png.swp", "hidden"),
        (".DS_Store", "hidden"),
        ("~$0.png", "editors' copies"),
        ("0~.png", "editors' copies"),
        ("0.png~", ".png~"),
        ("#0.png#", ".png#"),
        ("0.png.bak", ".bak"),
        ("0.png.part", ".part"),
        ("Thumbs.db", ".db"),
        ("desktop.ini", ".ini"),
        ("0.heic", ".heic"),
        ("0", "without a suffix"),
    ],
)
def test_what_systems_and_editors_leave_beside_pictures_is_counted(tmp_path, name, reason):
    listing = list_folder(touch(tmp_path, "0.png", name))
    assert listing.images == ("0.png",)
    assert listing.skipped == {reason: 1}


def test_the_root_itself_may_be_hidden_or_a_link(tmp_path):
    root = touch(tmp_path / ".cache" / "pics", "a/0.png")
    (tmp_path / "link").symlink_to(root)
    assert list_folder(root).images == list_folder(tmp_path / "link").images == ("a/0.png",)


def test_links_to_folders_are_followed_once_and_never_upwards(tmp_path):
    root = touch(tmp_path / "root", "cat/0.png")
    touch(tmp_path, "elsewhere/1.png", "beside.png")
    (root / "a dog").symlink_to(tmp_path / "elsewhere")
    (root / "again").symlink_to(root / "cat")
    (root / "cat" / "loop").symlink_to(root)
    (root / "up").symlink_to("..")
    (root / "me").symlink_to("me")
    listing = list_folder(root)
    assert listing.images == ("a dog/1.png", "cat/0.png")
    assert listing.skipped == {"links to folders that are listed already": 3, "without a suffix": 1}


def test_a_link_that_leads_nowhere_is_a_missing_image(tmp_path):
    (tmp_path / "lost.png").symlink_to(tmp_path / "nowhere.png")
    assert list_folder(tmp_path).images == ("lost.png",)


def test_a_pipe_is_no_image(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    assert list_folder(tmp_path).skipped == {"no regular files": 1}


def test_a_folder_that_cannot_be_read_is_named(tmp_path, monkeypatch):
    touch(tmp_path, "good/0.png", "locked/1.png")
    scan = os.scandir

    def refuse(place):
        if Path(place).name == "locked":
            raise PermissionError(13, "Permission denied", place)
        return scan(place)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(DataError, match=r"cannot read the folder .*locked: Permission denied"):
        list_folder(tmp_path)


def test_many_kinds_of_files_are_counted_together(tmp_path):
    listing = list_folder(touch(tmp_path, *(f"x.{place:03}" for place in range(40))))
    assert listing.skipped.total() == 40
    assert listing.skipped["of other kinds"] == 28


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("a.zip", "unpack"),
        ("a.tar.gz", "unpack"),
        ("a.PNG", "an image"),
        ("a.parquet", "folder"),
        ("a", "a file"),
    ],
)
def test_a_file_instead_of_a_folder_is_refused(tmp_path, name, said):
    touch(tmp_path, name)
    with pytest.raises(DataError, match=said):
        list_folder(tmp_path / name)


@pytest.mark.parametrize("name", ["nowhere", "x" * 300])
def test_a_folder_that_is_not_there_is_refused(tmp_path, name):
    with pytest.raises(DataError, match=name[:20]):
        list_folder(tmp_path / name)
