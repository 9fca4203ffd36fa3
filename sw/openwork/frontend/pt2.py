"""Reads `.pt2` files of strangers, and writes programs as such files. Nothing in a file is run."""

import re
import zipfile
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

import torch
from torch.export import ExportedProgram

from openwork.frontend.archive import MAX_BYTES, ArchiveError, read_archive
from openwork.frontend.functional import silenced
from openwork.frontend.model_files import LoadingError, content_of
from openwork.frontend.program_json import ProgramError, checked_program
from openwork.frontend.propagation import Contradiction, check_values
from openwork.frontend.weights_json import checked_weights

GRAPH = "models/model.json"
WEIGHTS, CONSTANTS = "data/weights/model_weights_config.json", "data/constants/model_constants_config.json"
SAMPLES = "data/sample_inputs/model.pt"
KNOWN = re.compile(
    r"archive_format|archive_version|byteorder|version|\.data/(?:version|serialization_id)"
    r"|models/model\.json|data/sample_inputs/model\.pt"
    r"|data/weights/(?:model_weights_config\.json|weight_\d{1,6}|model\.pt)"
    r"|data/constants/(?:model_constants_config\.json|tensor_\d{1,6}|(?:custom|opaque)_obj_\d{1,6}|model\.pt)"
    r"|extra/[\w -]+(?:[./][\w -]+)*"
)
"""The members of a `.pt2` file that `torch.export.save` may write, below the file's one folder."""


def read_program(path: Path) -> ExportedProgram:
    """The program in a `.pt2` file; nothing in the file is run.

    `torch.export.load` unpickles what an archive asks for, makes Python source of names, and evaluates size expressions. So it
    never sees the file itself: the file is read once, what is known to be harmless is written into a new archive, and PyTorch
    loads that. Sample inputs, extra files and checks of sizes stay behind.

    Raises:
        LoadingError: the file is not a whole `.pt2` archive, or holds more than a graph and its tensors.
    """
    return program_of(content_of(path, MAX_BYTES), str(path))


def program_of(content: bytes, name: str) -> ExportedProgram:
    """The program in the content of a `.pt2` file, as `read_program` reads it.

    Args:
        content: of the file.
        name: of the file, for messages.

    Raises:
        LoadingError: see `read_program`.
    """
    try:
        harmless = rewritten(read_archive(content, KNOWN))
    except (ArchiveError, ProgramError) as error:
        raise LoadingError(f"{name} {error}: export the model again with torch.export.save") from None
    try:
        with silenced():
            program = torch.export.load(BytesIO(harmless))
            check_values(program)
            return program
    except Contradiction as error:
        raise LoadingError(f"{name} {error}: export the model again with torch.export.save") from None
    except Exception as error:  # whatever a graph that makes no sense makes PyTorch stumble over
        first = str(error).strip().partition("\n")[0]
        raise LoadingError(f"{name} is not a .pt2 file of torch.export: {type(error).__name__}: {first}") from error


def canonical(program: ExportedProgram) -> bytes:
    """A program as a `.pt2` file with its graph and tensors alone: without places in a source; equal programs give equal bytes.

    Raises:
        LoadingError: `program_of` would not read the file.
    """
    file = BytesIO()
    torch.export.save(program, file)
    try:
        return rewritten(read_archive(file.getvalue(), KNOWN), places=False)
    except (ArchiveError, ProgramError) as error:
        raise LoadingError(f"the program {error}") from None


def rewritten(members: Mapping[str, bytes], *, places: bool = True) -> bytes:
    """An archive with the graph and the tensors of a `.pt2` file, and nothing else of it.

    Args:
        members: of the file, by the name below its folder.
        places: whether operators keep the place in the source that they come from.

    Raises:
        ProgramError: a part is missing, of another version, or could run code.
    """
    for name in members:
        if name.endswith("/model.pt") and name != SAMPLES:
            raise ProgramError(
                "holds pickled weights, as an older PyTorch wrote them, which could run code when they are loaded"
            )
    for name, expected in (("archive_format", b"pt2"), ("archive_version", b"0"), ("byteorder", b"little")):
        if members.get(name, expected if name == "byteorder" else b"").strip() != expected:
            raise ProgramError(f"is not a .pt2 file of this version: its {name} is not {expected.decode()}")
    result = {"archive_format": b"pt2", "archive_version": b"0", "byteorder": b"little", ".data/version": b"6\n"}
    for name in (GRAPH, WEIGHTS, CONSTANTS):
        if name not in members:
            raise ProgramError(f"is not a whole .pt2 file: it has no {name}")
    for name, folder in ((WEIGHTS, "data/weights/"), (CONSTANTS, "data/constants/")):
        result[name], tensors = checked_weights(members[name], folder, members)
        result |= tensors
    result[GRAPH] = checked_program(members[GRAPH], places=places)
    result[SAMPLES] = b""
    file = BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, content in result.items():
            archive.writestr(zipfile.ZipInfo(f"model/{name}"), content)  # of no time
    return file.getvalue()
