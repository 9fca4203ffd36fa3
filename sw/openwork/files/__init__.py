"""Files that Openwork reads and writes; each format is described in `docs/formats.md`."""

from openwork.files.arrays import read_array, write_array, write_arrays
from openwork.files.images import decode_image, encode_image, read_image, write_image
from openwork.files.networks import decode_network, encode_network, read_network, write_network
from openwork.files.whole import FileError, check_folder, check_input, check_output, naming, read_whole, write_whole

__all__ = [
    "FileError",
    "check_folder",
    "check_input",
    "check_output",
    "decode_image",
    "decode_network",
    "encode_image",
    "encode_network",
    "naming",
    "read_array",
    "read_image",
    "read_network",
    "read_whole",
    "write_array",
    "write_arrays",
    "write_image",
    "write_network",
    "write_whole",
]
