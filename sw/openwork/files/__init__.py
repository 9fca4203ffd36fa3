"""Files that Openwork reads and writes; each format is described in `docs/formats.md`."""

from openwork.files.arrays import read_array, write_array
from openwork.files.networks import decode_network, encode_network, read_network, write_network
from openwork.files.whole import FileError, write_whole

__all__ = [
    "FileError",
    "decode_network",
    "encode_network",
    "read_array",
    "read_network",
    "write_array",
    "write_network",
    "write_whole",
]
