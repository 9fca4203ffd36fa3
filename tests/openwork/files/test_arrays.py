"""`.npy` files: read and written as a whole, never unpickled."""

import os
from pathlib import Path

import numpy as np
import pytest

from openwork.files import FileError, read_array, write_array


def test_reads_what_was_written(tmp_path: Path) -> None:
    for array in (np.arange(6, dtype=np.int8).reshape(1, 2, 3), np.zeros((0, 4), np.float32)):
        write_array(tmp_path / "x.npy", array)
        result = read_array(tmp_path / "x.npy")
        assert result.dtype == array.dtype and np.array_equal(result, array)
        assert np.array_equal(np.load(tmp_path / "x.npy"), array)


def test_refuses_what_is_no_whole_array(tmp_path: Path) -> None:
    path = tmp_path / "x.npy"
    write_array(path, np.arange(100))
    content = path.read_bytes()
    for damaged in (b"", content[:7], content[:-1], content + b"x", b"PK\x03\x04" + content):
        path.write_bytes(damaged)
        with pytest.raises(FileError, match=r"x\.npy is not a whole \.npy file of numbers"):
            read_array(path)
    np.save(path, np.array([{"an": "object"}]), allow_pickle=True)
    with pytest.raises(FileError, match="not a whole"):
        read_array(path)
    with pytest.raises(FileError, match="there is no file"):
        read_array(tmp_path / "y.npy")


def npy(header: bytes, data: bytes = b"", version: bytes = b"\x01\x00") -> bytes:
    """A file with this header."""
    length = len(header).to_bytes(2 if version[0] == 1 else 4, "little")
    return b"\x93NUMPY" + version + length + header + data


def described(shape: str, descr: str = "'|i1'", order: str = "False") -> bytes:
    return f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}".encode()


HOSTILE = [
    (npy(described("(1 << 60,)")), ""),
    (npy(described(f"({1 << 60},)"), b"12"), "needs 1,152,921,504,606,846,976 values, and the limit is"),
    (npy(described(f"({1 << 32}, {1 << 32})"), b"12"), "needs 18,446,744,073,709,551,616 values"),
    (npy(described(f"({1 << 30},)"), b"12"), "1,073,741,824 bytes, and 2 follow"),
    (npy(described(f"({1 << 64}, 0)")), "needs 18,446,744,073,709,551,616 values"),
    (npy(described("(-1,)"), b"1"), r"its shape is \[-1\]"),
    (npy(described("(-1, -1)"), b"1"), r"its shape is \[-1, -1\]"),
    (npy(described(f"({'1, ' * 100})"), b"1"), "its shape is"),
    (npy(described("(1,)", "'|O'"), b"12345678"), "it holds object"),
    (npy(described("(1,)", "'<U2'"), b"12345678"), "it holds <U2"),
    (npy(described("(1,)", "'|V0'")), "it holds"),
    (npy(described("(1,)", "[('a', '|i1')]"), b"1"), "it holds"),
    (npy(described("(1,)", "'<c8'"), b"12345678"), "it holds complex64"),
    (npy(described("(1,)", "'<q99999999999999999999'"), b"1"), ""),
    (npy(described("1", "'|i1'"), b"1"), "shape"),
    (npy(described("('1',)"), b"1"), "shape"),
    (npy(b"{'descr': 'x"), ""),
    (npy(b"{'descr': \\w"), ""),
    (npy(b"{'descr': (" + b"(" * 9000), ""),
    (npy(b"-" * 9000 + b"1"), ""),
    (npy(b"\xff\xfe{}"), ""),
    (npy(b" " * 60000), ""),
    (npy(described("(1,)"), b"1", b"\x03\x00"), "of version 3"),
    (npy(described("(1,)"), b"1", b"\x09\x00"), ""),
]


@pytest.mark.parametrize(("content", "reason"), HOSTILE)
def test_a_header_that_lies_is_refused_before_anything_is_allocated(
    tmp_path: Path, content: bytes, reason: str, recwarn: pytest.WarningsRecorder
) -> None:
    (tmp_path / "x.npy").write_bytes(content)
    with pytest.raises(FileError, match=rf"x\.npy .*{reason}"):
        read_array(tmp_path / "x.npy")
    assert not recwarn.list


def test_orders_and_bytes_of_other_machines_are_read(tmp_path: Path) -> None:
    for array in (
        np.asfortranarray(np.arange(6).reshape(2, 3)),
        np.arange(6).reshape(2, 3).astype(">f4"),
        np.array(7, np.uint8),
        np.arange(20)[::-2],
    ):
        np.save(tmp_path / "x.npy", array)
        found = read_array(tmp_path / "x.npy")
        assert np.array_equal(found, array) and found.flags.c_contiguous and found.flags.writeable
        assert found.dtype.isnative and found.dtype == array.dtype.newbyteorder("=")


def test_what_is_no_file_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="is a device, not a file"):
        read_array(Path("/dev/zero"))
    os.mkfifo(tmp_path / "pipe.npy")
    with pytest.raises(FileError, match="is a pipe, not a file"):
        read_array(tmp_path / "pipe.npy")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(FileError, match="is a link that leads nowhere"):
        read_array(tmp_path / "loop")
    with (tmp_path / "huge.npy").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(FileError, match=r"huge\.npy needs 1,099,511,627,776 bytes, and the limit is"):
        read_array(tmp_path / "huge.npy")
