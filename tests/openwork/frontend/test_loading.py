"""`.pt2` files: nothing in them is run, and damaged ones are refused in a sentence."""

import json
import pickle
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
import torch
from tests.openwork.frontend.zoo import inputs, trained

from openwork.frontend import LoadingError, import_program, load
from openwork.frontend.loading import read_program


@pytest.fixture(scope="module")
def content() -> bytes:
    """A `.pt2` file of a model with an open batch size."""
    batch = inputs("residual", 3)
    shapes = ({0: torch.export.Dim("batch")},)
    file = BytesIO()
    torch.export.save(torch.export.export(trained("residual").eval(), (batch,), dynamic_shapes=shapes), file)
    return file.getvalue()


class Trap:
    """Unpickling it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[[Path], None], tuple[Path]]:
        return Path.touch, (self.path,)


def rewritten(content: bytes, change: Callable[[str, bytes], bytes]) -> bytes:
    """The archive with each part changed."""
    result = BytesIO()
    with zipfile.ZipFile(BytesIO(content)) as old, zipfile.ZipFile(result, "w") as new:
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))
    return result.getvalue()


def test_a_file_is_the_program_that_was_saved(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.pt2"
    path.write_bytes(content)
    batch = inputs("residual", 5)
    network = import_program(read_program(path))
    assert torch.allclose(network.run(batch).flatten(1).log_softmax(1), trained("residual").eval()(batch))
    assert str(load(str(path), batch)) == str(network)


def test_nothing_is_unpickled(content: bytes, tmp_path: Path) -> None:
    path, trap = tmp_path / "model.pt2", tmp_path / "trapped"
    file = BytesIO()
    torch.save(((Trap(trap),), {}), file)
    assert not trap.exists()

    def samples(name: str, part: bytes) -> bytes:
        return file.getvalue() if "/sample_inputs/" in name else part

    path.write_bytes(rewritten(content, samples))
    with pytest.raises(LoadingError, match="holds sample inputs that are more than tensors, which could run code"):
        read_program(path)

    def weights(name: str, part: bytes) -> bytes:
        if name.endswith("model_weights_config.json"):
            return part.replace(b'"use_pickle": false', b'"use_pickle": true')
        return pickle.dumps(Trap(trap)) if "/weights/weight_" in name else part

    path.write_bytes(rewritten(content, weights))
    with pytest.raises(LoadingError, match="holds pickled objects"):
        read_program(path)
    assert not trap.exists()


def test_no_expression_is_evaluated(content: bytes, tmp_path: Path) -> None:
    path, trap = tmp_path / "model.pt2", tmp_path / "trapped"

    def sizes(name: str, part: bytes) -> bytes:
        if not name.endswith("models/model.json"):
            return part
        text = part.decode()
        start = text.index('"expr_str": "') + len('"expr_str": "')
        code = f"__import__('pathlib').Path({str(trap)!r}).touch()"
        return (text[:start] + json.dumps(code)[1:-1] + text[text.index('"', start) :]).encode()

    path.write_bytes(rewritten(content, sizes))
    with pytest.raises(LoadingError, match="holds a size that is more than arithmetic"):
        read_program(path)
    assert not trap.exists()


def test_damaged_files_are_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.pt2"
    with zipfile.ZipFile(BytesIO(content)) as archive:
        (place,) = (part.header_offset for part in archive.infolist() if part.filename.endswith("model.json"))
    damaged = bytearray(content)
    damaged[place + 300] ^= 4
    empty = rewritten(content, lambda name, part: b"{}" if name.endswith("models/model.json") else part)
    for spoiled in (b"", b"text", content[:-1], content[: len(content) // 2], bytes(damaged), empty):
        path.write_bytes(spoiled)
        with pytest.raises(LoadingError, match=r"model\.pt2 is (not a|damaged)"):
            read_program(path)
