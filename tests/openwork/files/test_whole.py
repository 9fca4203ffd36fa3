"""Files are there as a whole or not at all; devices, links, folders and full disks are met with a sentence."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from openwork.files import FileError, check_folder, check_output, read_whole, write_whole


def test_a_link_stays_and_its_target_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / "target").write_bytes(b"old")
    (tmp_path / "link").symlink_to("far/target")
    (tmp_path / "to-nothing").symlink_to("far/new")
    for name, target in (("link", "target"), ("to-nothing", "new")):
        write_whole(tmp_path / name, b"new content")
        assert (tmp_path / name).is_symlink() and (tmp_path / "far" / target).read_bytes() == b"new content"
    assert sorted(os.listdir(tmp_path)) == ["far", "link", "to-nothing"]
    assert sorted(os.listdir(tmp_path / "far")) == ["new", "target"]


def test_what_is_no_regular_file_is_never_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "to-device").symlink_to("/dev/full")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "file").write_bytes(b"")
    for path, reason in (
        (Path("/dev/full"), "is a device, not a file"),
        (tmp_path / "to-device", "is a device, not a file"),
        (tmp_path / "pipe", "is a pipe, not a file"),
        (tmp_path / "loop", "is a link that leads nowhere, not a file"),
        (tmp_path, "is a folder: name the file"),
        (Path("."), "is a folder: name the file"),
        (Path(""), "is a folder: name the file"),
        (tmp_path / "none" / "x", "there is no folder"),
        (tmp_path / "file" / "x", "there is no folder"),
        (tmp_path / ("x" * 300), "file name too long"),
        (tmp_path / "a\0b", "null"),
    ):
        for check in (check_output, lambda path: write_whole(path, b"content")):
            with pytest.raises(FileError, match=reason):
                check(path)
    assert Path("/dev/full").is_char_device() and (tmp_path / "pipe").is_fifo()
    assert sorted(os.listdir(tmp_path)) == ["file", "loop", "pipe", "to-device"]


def test_folders_are_checked_before_they_are_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    check_folder(tmp_path / "new" / "newer")
    check_folder(tmp_path)
    for path in (tmp_path / "file", tmp_path / "file" / "below", Path("/dev/full")):
        with pytest.raises(FileError, match=r"must be a folder, and .* is a (file|device)"):
            check_folder(path)
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("when", ["write", "fsync", "replace"])
def test_a_full_disk_names_the_file_and_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    path = tmp_path / "x.npy"
    path.write_bytes(b"old")

    def full(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    class Full:
        """A file that takes nothing."""

        def __enter__(self) -> "Full":
            return self

        def __exit__(self, *_reason: object) -> None: ...

        write = staticmethod(full)

    if when == "write":
        monkeypatch.setattr(Path, "open", lambda *_arguments: Full())
    else:
        monkeypatch.setattr(f"os.{when}" if when == "fsync" else f"pathlib.Path.{when}", full)
    with pytest.raises(FileError, match=r"x\.npy cannot be written: no space left on device"):
        write_whole(path, b"new")
    monkeypatch.undo()
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == ["x.npy"]


def test_what_killed_processes_left_is_removed(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    (tmp_path / f".x.npy.{ended.pid}.part").write_bytes(b"half")
    others = [f".x.npy.{os.getppid()}.part", f".y.npy.{ended.pid}.part", ".x.npy.old.part", ".x.npy.part"]
    for name in others:
        (tmp_path / name).write_bytes(b"of others")
    write_whole(tmp_path / "x.npy", b"whole")
    assert sorted(os.listdir(tmp_path)) == sorted([*others, "x.npy"])


def test_what_cannot_be_read_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x").write_bytes(b"12345")
    with pytest.raises(FileError, match="needs 5 bytes, and the limit is 4"):
        read_whole(tmp_path / "x", 4)
    with pytest.raises(FileError, match="there is no file"):
        read_whole(tmp_path / "x" / "y")

    def refuse(_path: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(FileError, match="x cannot be read: permission denied"):
        read_whole(tmp_path / "x")
