"""Masks in files of others: what they hold, and what is refused before it costs memory."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from openwork.files import FileError
from openwork.files.masks import read_masks

STAYS = np.array([[1, 0, 0, 1], [0, 0, 0, 0], [0, 1, 1, 1]], bool)


def npy(array: NDArray[np.generic]) -> bytes:
    content = io.BytesIO()
    np.save(content, array)
    return content.getvalue()


def save(path: Path, arrays: dict[str, NDArray[np.generic]]) -> None:
    np.savez(path, **arrays)  # type: ignore[arg-type]  # its stub takes the names for arguments of its own


def csr(stays: NDArray[np.bool_]) -> dict[str, NDArray[np.generic]]:
    """What `scipy.sparse.save_npz` writes."""
    rows, indices = np.nonzero(stays)
    return {
        "format": np.array(b"csr"),
        "shape": np.array(stays.shape),
        "data": np.ones(len(indices), np.float32),
        "indices": indices.astype(np.int32),
        "indptr": np.searchsorted(rows, np.arange(len(stays) + 1)).astype(np.int32),
    }


def smtx(stays: NDArray[np.bool_], comma: str = ", ") -> str:
    found = csr(stays)
    lines = [comma.join(map(str, (*stays.shape, len(found["indices"])))), found["indptr"], found["indices"]]
    return "\n".join(line if isinstance(line, str) else " ".join(map(str, line)) for line in lines) + "\n"


def test_every_format_holds_the_same_mask(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "dense.npz", layer=STAYS * np.float32(-0.5))
    save(tmp_path / "sparse.npz", csr(STAYS))
    np.save(tmp_path / "array.npy", np.asfortranarray(STAYS.astype(">i2")))
    (tmp_path / "collection.smtx").write_text(smtx(STAYS))
    (tmp_path / "spaces.smtx").write_text(smtx(STAYS, " "))
    for path in tmp_path.iterdir():
        (mask,) = read_masks(path)
        assert mask.name == ("layer" if path.stem == "dense" else path.stem)
        assert mask.stays.dtype == bool and np.array_equal(mask.stays, STAYS), path


def test_scipy_writes_what_we_read(tmp_path: Path) -> None:
    sparse = pytest.importorskip("scipy.sparse")
    sparse.save_npz(tmp_path / "a.npz", sparse.csr_matrix(STAYS))
    assert np.array_equal(read_masks(tmp_path / "a.npz")[0].stays, STAYS)
    sparse.save_npz(tmp_path / "b.npz", sparse.csc_matrix(STAYS))
    with pytest.raises(FileError, match=r"matrix of the format 'csc': save matrix\.tocsr\(\) instead"):
        read_masks(tmp_path / "b.npz")


def test_a_stored_zero_does_not_stay(tmp_path: Path) -> None:
    found = csr(STAYS)
    found["data"] = np.array([1, 0, 2, 3, 4], np.float32)
    save(tmp_path / "a.npz", found)
    expected = STAYS.copy()
    expected[0, 3] = False
    assert np.array_equal(read_masks(tmp_path / "a.npz")[0].stays, expected)


def test_a_mask_without_a_nonzero_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.smtx").write_text("2, 3, 0\n0 0 0\n\n")
    assert not read_masks(tmp_path / "a.smtx")[0].stays.any()


HOSTILE_TEXT = [
    ("", "it has 0 lines, and must have three"),
    ("3, 4, 5\n0 2 2 5\n0 3 1 2 3\n7\n", "it has 4 lines"),
    ("3, 4\n0 2 2 5\n0 3 1 2 3\n", "its first line must be rows, columns and nonzeros"),
    ("3, 4, 6\n0 2 2 5\n0 3 1 2 3\n", "the third line holds 5 of them"),
    ("3, 4, 5\n0 2 5\n0 3 1 2 3\n", "must be 4 numbers from 0 to 5"),
    ("3, 4, 5\n0 3 2 5\n0 3 1 2 3\n", "none less than the one before"),
    ("3, 4, 5\n1 2 2 5\n0 3 1 2 3\n", "must be 4 numbers from 0 to 5"),
    ("3, 4, 5\n0 9999999999 9999999999 5\n0 3 1 2 3\n", "must be 4 numbers"),
    ("3, 4, 5\n0 2 2 5\n0 4 1 2 3\n", "a nonzero is in column 4, and there are 4 columns"),
    ("3, 4, 5\n0 2 2 5\n0 0 1 2 3\n", "a row names a column twice"),
    ("0, 4, 0\n0\n\n", "a matrix of 0 x 4"),
    ("3, -4, 5\n0 2 2 5\n0 3 1 2 3\n", "it holds '-'"),
    ("3, 4, 5\n0 2 2 5\n0 3 1 2 \x1b[31m3\n", r"it holds '\\x1b\[m'"),
    (f"3, {'9' * 11}, 5\n", "a number has more than 10 digits"),
    ("1, 9999999999, 1\n0 1\n7\n", "needs 9,999,999,999 bytes of weights, zeros included, and the limit is 67,108,864"),
    ("70000, 1, 0\n0\n\n", "needs 70,000 rows, and the limit is 65,535"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "sentence"), HOSTILE_TEXT)
def test_text_that_contradicts_itself_is_refused(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "a.smtx"
    path.write_text(text)
    with pytest.raises(FileError, match=sentence) as refusal:
        read_masks(path)
    assert str(path) in str(refusal.value)


def changed(**arrays: NDArray[np.generic] | None) -> dict[str, NDArray[np.generic]]:
    return {key: array for key, array in (csr(STAYS) | arrays).items() if array is not None}


WRAPPING = np.array([0, (1 << 63) - 1, -2, 5], np.int64)
"""Each is larger than the one before if the difference is taken modulo 2 ** 64."""

HOSTILE_ARRAYS = [
    ({}, "holds no array"),
    ({"layer": np.zeros((0, 4), bool)}, r"array 'layer', must be \[rows, columns\]"),
    ({"layer": np.zeros(4, bool)}, r"not empty, not \[4\]"),
    ({"layer": np.array([[0, np.nan]])}, "holds NaN or infinite numbers"),
    ({"layer": np.zeros((1, 1), "c8")}, "it holds complex64"),
    ({"layer": np.zeros((70000, 1), bool)}, "needs 70,000 rows, and the limit is 65,535"),
    (changed(format=np.array(b"coo")), r"a matrix of the format 'coo': save matrix\.tocsr\(\) instead"),
    (changed(data=None), r"a CSR matrix of scipy has data, format, indices, indptr, shape"),
    (changed(shape=np.array([3, 4, 5])), "shape must be two numbers"),
    (changed(shape=np.array([3.0, 4.0])), "shape must be a row of whole numbers, not float64"),
    (changed(shape=np.array([-3, -4])), "a matrix of -3 x -4"),
    (changed(shape=np.array([3, 1 << 40])), "bytes of weights, zeros included"),
    (changed(data=np.ones(4)), "data as long as indices"),
    (changed(data=np.array([1, 2, 3, 4, np.inf])), "data holds NaN"),
    (changed(indptr=WRAPPING), "none less than the one before"),
    (changed(indptr=np.array([0, 2, 2, 5], np.uint64) * np.uint64(1 << 60)), "must be 4 numbers from 0 to 5"),
    (changed(indices=np.array([0, 3, 1, 2, -1])), "a nonzero is in column -1"),
]


@pytest.mark.parametrize(("arrays", "sentence"), HOSTILE_ARRAYS)
def test_arrays_that_contradict_each_other_are_refused(
    tmp_path: Path, arrays: dict[str, NDArray[np.generic]], sentence: str
) -> None:
    save(tmp_path / "a.npz", arrays)
    with pytest.raises(FileError, match=sentence):
        read_masks(tmp_path / "a.npz")


def archive(path: Path, members: list[tuple[str, bytes]], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as file:
        for name, content in members:
            file.writestr(name, content)
    return path


def test_archives_that_are_none_are_refused(tmp_path: Path) -> None:
    whole = archive(tmp_path / "whole.npz", [("layer.npy", npy(STAYS))], zipfile.ZIP_STORED).read_bytes()
    place = whole.index(b"NUMPY")
    for content in (b"", b"PK", whole[:-9], whole[: place + 20] + b"xxxx" + whole[place + 24 :]):
        (tmp_path / "a.npz").write_bytes(content)
        with pytest.raises(FileError, match=r"a\.npz is not a whole \.npz file"):
            read_masks(tmp_path / "a.npz")
    pickled = io.BytesIO()
    np.save(pickled, np.array([{"an": "object"}]), allow_pickle=True)
    for members, sentence in (
        ([("layer.npy", pickled.getvalue())], "it holds object"),
        ([("readme.txt", b"text")], "it holds 'readme.txt', which is no array"),
        ([("\x1b.npy", npy(STAYS))], "which is no array"),
        ([("layer.npy", b"text")], "not a whole .npy file"),
    ):
        with pytest.raises(FileError, match=sentence):
            read_masks(archive(tmp_path / "b.npz", members))
    with pytest.warns(UserWarning, match="Duplicate"):
        twice = archive(tmp_path / "c.npz", [("layer.npy", npy(STAYS))] * 2)
    with pytest.raises(FileError, match="two arrays of one name"):
        read_masks(twice)
    with pytest.raises(FileError, match=r"must be a \.npz, \.npy or \.smtx file"):
        read_masks(tmp_path / "a.csv")


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("openwork.files.masks.FREE_WEIGHTS", 1 << 10)
    monkeypatch.setattr("openwork.files.masks.MAX_UNPACKING", 2)
    path = archive(tmp_path / "a.npz", [(f"layer{number}.npy", npy(np.zeros((1, 20000), bool))) for number in range(3)])
    monkeypatch.setattr(zipfile.ZipFile, "read", lambda *_: pytest.fail("it was unpacked"))
    with pytest.raises(FileError, match="bytes when it is unpacked, and the limit is"):
        read_masks(path)


def test_a_small_file_does_not_unpack_to_large_weights(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="needs 100,000,000 bytes of weights, zeros included"):
        (tmp_path / "a.smtx").write_text("10000, 10000, 0\n" + "0 " * 10001 + "\n\n")
        read_masks(tmp_path / "a.smtx")
