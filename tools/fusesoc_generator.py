"""What `openwork.core` has FuseSoC run: write an array as Verilog, and the core file that names it."""

import subprocess
import sys
from pathlib import Path

from fusesoc.capi2.generator import Generator


def main() -> int:
    """Write what FuseSoC asks for into the folder that it starts this in; the exit status is that of `openwork verilog`."""
    wanted = Generator()
    command = [sys.executable, "-m", "openwork", "verilog", "--output", ".", *map(str, wanted.config["arguments"])]
    status = subprocess.run(command, check=False).returncode
    if status == 0:
        wanted.add_files(sorted(path.name for path in Path().glob("*.v")), file_type="verilogSource")
        wanted.add_files(sorted(path.name for path in Path().glob("*.vlt")), file_type="vlt", fileset="rules")
        wanted.write()
    return status


if __name__ == "__main__":
    sys.exit(main())
