"""What `openwork.core` has FuseSoC run: write an array as Verilog, and the core file that names it."""

import subprocess
import sys
from pathlib import Path

from fusesoc.capi2.generator import Generator

SIMULATION = "simulation"
"""A target with this flag gets the models of a part's cells, where the array has any; synthesizers have the cells."""


def main() -> int:
    """Write what FuseSoC asks for into the folder that it starts this in; the exit status is that of `openwork verilog`."""
    wanted = Generator()
    command = [sys.executable, "-m", "openwork", "verilog", "--output", ".", *map(str, wanted.config["arguments"])]
    status = subprocess.run(command, check=False).returncode
    if status == 0:
        cells = sorted(path.name for path in Path().glob("*_cells.v"))
        wanted.add_files(
            sorted({path.name for path in Path().glob("*.v")} - set(cells)), fileset="rtl", file_type="verilogSource"
        )
        wanted.add_files(sorted(path.name for path in Path().glob("*.vlt")), fileset="rules", file_type="vlt")
        if cells:
            wanted.add_files(cells, fileset="cells", targets=[], file_type="verilogSource")
            wanted.targets["default"]["filesets"].append(f"{SIMULATION}? (cells)")
        wanted.write()
    return status


if __name__ == "__main__":
    sys.exit(main())
