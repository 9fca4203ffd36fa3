"""Checks the tensors in a `.pt2` file: each must be exactly as long as the file claims."""

import json
from collections.abc import Mapping
from math import prod
from typing import Any

from openwork.frontend.program_json import PATH, ProgramError, parsed

ITEM_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 2, 7: 4, 8: 8, 12: 1, 13: 2}
"""Bytes per number, by PyTorch's code of the dtype: uint8, int8, int16, int32, int64; float16, 32, 64; bool; bfloat16."""
BOOL = 12
STRIDED = 7
"""PyTorch's code for a dense tensor."""
MAX_NUMBERS = 1 << 29
"""Of all tensors together, as many as they are used as: an expanded tensor takes more memory than its file."""
MAX_RANK = 16


def checked_weights(content: bytes, folder: str, members: Mapping[str, bytes]) -> tuple[bytes, dict[str, bytes]]:
    """The list of a file's tensors anew, and the members that it names.

    Args:
        content: JSON.
        folder: of the members, with a slash at its end.
        members: of the whole file.

    Raises:
        ProgramError: an entry is pickled, is no dense tensor, or has another length than its member.
    """
    document = parsed(content, "list of weights")
    entries = document.get("config") if isinstance(document, dict) else None
    if not isinstance(entries, dict):
        raise ProgramError("has a list of weights that is none")
    extents: dict[str, int] = {}
    result, numbers = {}, 0
    for name, entry in entries.items():
        if not PATH.fullmatch(name):
            raise ProgramError(f"has a weight {name!r:.100}, which is no name of one")
        if not isinstance(entry, dict) or entry.get("use_pickle") is not False:
            raise ProgramError(f"holds pickled objects ({name!r}), which could run code when they are loaded")
        path = entry.get("path_name")
        if not isinstance(path, str) or folder + path not in members:
            raise ProgramError(f"lacks the member of {name!r}")
        meta, count, extent = _tensor(name, entry.get("tensor_meta"))
        numbers += count
        if numbers > MAX_NUMBERS:
            raise ProgramError(f"has more than {MAX_NUMBERS:,} weights")
        extents[folder + path] = max(extent, extents.get(folder + path, 0))
        if meta["dtype"] == BOOL and members[folder + path].strip(b"\0\1"):
            raise ProgramError(f"is damaged: {name!r} holds numbers that are neither true nor false")
        result[name] = {
            "path_name": path,
            "is_param": entry.get("is_param") is True,
            "use_pickle": False,
            "tensor_meta": meta,
        }
    for path, extent in extents.items():
        if len(members[path]) != extent:
            raise ProgramError(
                f"has a member {path!r} of {len(members[path]):,} bytes, and the tensors in it take {extent:,}: a weight that is "
                "a part of a larger tensor must be copied (`clone`) before the model is exported"
            )
    return json.dumps({"config": result}).encode(), {path: members[path] for path in extents}


def _tensor(name: str, meta: Any) -> tuple[dict[str, Any], int, int]:
    """What is said of a tensor, how many numbers it has, and up to which byte its member is used."""
    what = f"has a weight {name!r} that is no dense tensor of numbers"
    if not isinstance(meta, dict) or type(meta.get("dtype")) is not int or meta["dtype"] not in ITEM_BYTES:
        raise ProgramError(what)
    sizes, strides = (_whole(meta.get(key), what) for key in ("sizes", "strides"))
    (offset,) = _whole([meta.get("storage_offset")], what)
    if len(sizes) != len(strides) or len(sizes) > MAX_RANK or meta.get("layout") != STRIDED:
        raise ProgramError(what)
    count = prod(sizes)
    last = offset + sum((size - 1) * stride for size, stride in zip(sizes, strides, strict=True))
    item = ITEM_BYTES[meta["dtype"]]
    checked = {
        "dtype": meta["dtype"],
        "sizes": [{"as_int": size} for size in sizes],
        "requires_grad": meta.get("requires_grad") is True,
        "device": {"type": "cpu", "index": None},
        "strides": [{"as_int": stride} for stride in strides],
        "storage_offset": {"as_int": offset},
        "layout": STRIDED,
    }
    return checked, count, (last + 1) * item if count else 0


def _whole(values: Any, what: str) -> list[int]:
    """The numbers of a list of sizes that are not open."""
    numbers = (
        [one.get("as_int") if isinstance(one, dict) else None for one in values] if isinstance(values, list) else [None]
    )
    if not all(type(number) is int and 0 <= number < 1 << 40 for number in numbers):
        raise ProgramError(what)
    return [number for number in numbers if number is not None]
