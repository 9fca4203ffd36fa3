"""`.npy` files: read and written as a whole, never unpickled."""

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
