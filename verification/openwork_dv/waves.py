"""Waves of simulations: where benches write them, and which signals a person looks at first."""

import os
import re
from collections.abc import Iterator
from itertools import count
from pathlib import Path

FOLDER = "OPENWORK_WAVES"
"""The environment variable that names the folder for the waves of cocotb benches; unset for none."""

DUMP_MODULE = "openwork_waves"

DUMP = """module {module};
  reg [8*1024-1:0] path;
  initial
    if ($value$plusargs("waves=%s", path)) begin
      $dumpfile(path);
      $dumpvars(0, {top});
    end
endmodule
"""
"""A second top for Icarus, which writes waves if the command line asks for them."""

VIEW: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        "command",
        (
            r"clk",
            r"o_commands__(valid|ready)",
            r"sequencer\.(idle|running|moving|storing)",
            r"sequencer\.(entries_left|words_left|cycles)",
            r"stalls",
            r"o_reports__(valid|ready)",
        ),
    ),
    (
        "feeder streams",
        (
            r"i_(words|records)__\d+__(payload|valid|ready)",
            r"pe_\d+\.feeder\.decoder\.(state|o__valid|o__ready|rows_left|position|error)",
            r"pe_\d+\.feeder\.rows\.(issue|issue_last|occupied)",
        ),
    ),
    ("beats", (r"pe_\d+\.feeder\.beat", r"pe_\d+\.o__beat")),
    ("sums", (r"accumulator_\d+\.sum", r"requantizer\.activation")),
    ("writes", (r"place\.copy_0", r"write_port\.leaving_0", r"o__?byte(_valid)?")),
)
"""Groups of signals for the saved view, and the ends of their names, as regular expressions."""


def bench_waves(bench: str) -> Path | None:
    """The file for the waves of the next run of a bench, in the folder that the environment names; None for no waves.

    The file is called after the test that runs, or else after the bench.
    """
    if not os.environ.get(FOLDER):
        return None
    folder = Path(os.environ[FOLDER]).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    test = os.environ.get("PYTEST_CURRENT_TEST", bench).rpartition("::")[2].removesuffix(" (call)")
    name = re.sub(r"[^\w.-]+", "-", test).strip("-")
    return next(path for path in (folder / f"{name}-{number}.vcd" for number in count(1)) if not path.exists())


def signals(waves: Path) -> Iterator[tuple[str, str]]:
    """Name and identifier of every signal of a VCD file.

    Names are as GTKWave has them: with scopes, vectors with their range, and a backslash before what has dots inside one scope.
    """
    scopes: list[str] = []
    with waves.open() as lines:
        for line in lines:
            words = line.split()
            match words[:1]:
                case ["$scope"]:
                    scopes.append(words[2])
                case ["$upscope"]:
                    scopes.pop()
                case ["$var"]:
                    name = words[4] if words[4].startswith("\\") or "." not in words[4] else f"\\{words[4]}"
                    yield ".".join([*scopes, name + "".join(words[5:-1])]), words[3]
                case ["$enddefinitions"]:
                    return


def write_view(waves: Path) -> Path:
    """Write a saved view for GTKWave beside a VCD file: ``gtkwave layer.vcd layer.gtkw`` shows the signals of `VIEW`."""
    # What is called twice, as a port is, is shown once, by the name of the inner scope.
    found = sorted(signals(waves), key=lambda signal: (-signal[0].count("."), _natural(signal[0])))
    lines = ["[*] Openwork: the signals to look at first", f'[dumpfile] "{waves.absolute()}"', "[timestart] 0"]
    shown: set[str] = set()
    for title, patterns in VIEW:
        group: list[str] = []
        for pattern in patterns:
            ends = re.compile(rf"(^|\.){pattern}(\[\d+:\d+\])?$")
            for name, identifier in found:
                if identifier not in shown and ends.search(name.replace("\\", "")):
                    shown.add(identifier)
                    group += ["@22" if name.endswith("]") else "@28", name]
        lines += ["@200", f"-{title}", *group] if group else []
    view = waves.with_suffix(".gtkw")
    view.write_text("\n".join([*lines, ""]))
    return view


def _natural(name: str) -> list[tuple[bool, int, str]]:
    """For sorting: numbers by their value."""
    return [(part.isdigit(), int(part) if part.isdigit() else 0, part) for part in re.split(r"(\d+)", name)]
