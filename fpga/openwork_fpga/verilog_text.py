"""What a written Verilog file says of itself, and how its memories start."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from importlib.metadata import version
from itertools import groupby

from amaranth.lib import data, wiring

from openwork_fpga import yosys
from openwork_hw.arch.config import PRESETS, ArrayConfig, Technology
from openwork_hw.arch.encodings import encodings_of
from openwork_hw.arch.nonzeros import Encoding

TIMESCALE = "`timescale 1ns / 1ps\n"
"""Nothing here has a delay. Beside a test bench with a time scale, a simulator complains of files without one."""

_START = re.compile(r" {4}(?P<memory>\\\S+ |\w+)\[(?P<word>\d+)\] = (?P<value>\S+);\n")

FEWEST_WORDS = 4
"""So many equal words of a memory and more are started by a loop."""

WAIVERS = {
    "DECLFILENAME": "One file holds the top module and all of its parts.",
    "PROCASSINIT": "Yosys gives a register its value at the start where it is declared.",
    "WIDTHEXPAND": "Yosys leaves it to the language to widen operands, constants above all.",
    "WIDTHTRUNC": "Yosys writes ! before a vector for 'is 0', and lets an assignment cut a shift's upper bits.",
    "UNUSEDSIGNAL": "Amaranth hands clock and reset to every part, and carries of sums and fields of streams are not always used.",
}
"""Rules of Verilator that the text as a whole does not keep, with the reason of each."""

CELL_WAIVERS = {"PINMISSING": "Outputs of the part's cells that nothing reads are not connected."}
"""Rules that instances of a part's cells do not keep."""

MODEL_WAIVERS = {
    "DECLFILENAME": "One file holds the models of all cells.",
    "UNUSEDPARAM": "A model has the part's parameters, and does what the array asks for.",
    "UNUSEDSIGNAL": "A model has the part's pins, and does what the array asks for.",
}
"""Rules that the models of a part's cells do not keep."""

PORT_WAIVERS = {
    "interrupt": "SYMRSVDWORD: Some C++ library calls something interrupt; it is this port's name in Verilog."
}
"""Rules that a port of this name does not keep."""

MODELS = {
    Technology.ECP5: ("CCU2C", "DP16KD", "L6MUX21", "LUT4", "MULT18X18D", "PFUMX"),
    Technology.GOWIN: ("MULT9X9", "SDPB", "SDPX9B"),
}
"""Cells that arrays of a technology instantiate, where the models are ours."""


@dataclass(frozen=True)
class About:
    """What a file holds, for its heading.

    Attributes:
        what: the component, in a few words.
        shell: the option of `openwork verilog` that asks for it, with its own options.
        prefix: of the names that such modules have by default.
    """

    what: str
    config: ArrayConfig
    encodings: tuple[Encoding, ...]
    shell: tuple[str, ...]
    prefix: str

    @property
    def default_name(self) -> str:
        """The module's name where no other is chosen."""
        return f"{self.prefix}_{self.config.pes}x{self.config.lanes}"

    def command(self, name: str) -> str:
        """The shortest command that writes this file: from the preset that is most like the array."""
        preset, differing = min(
            ((preset, _differing(base, self.config)) for preset, base in PRESETS.items()), key=lambda one: len(one[1])
        )
        options = ["--preset", preset]
        for field in differing:
            options += _option(field, getattr(self.config, field))
        if self.encodings != encodings_of(self.config):
            options += [word for one in self.encodings for word in ("--encoding", one.name.lower())]
        options += self.shell
        if name != self.default_name:
            options += ["--name", name]
        return " ".join(["openwork verilog", *options])


def _differing(base: ArrayConfig, config: ArrayConfig) -> list[str]:
    """The sizes to name, so that `openwork verilog` makes `config` of `base`."""
    found = [field.name for field in fields(config) if getattr(base, field.name) != getattr(config, field.name)]
    if not config.group_sizes and "group_sizes" in found:
        # Naming the PEs asks for all their divisors.
        found.remove("group_sizes")
        found = ["pes", *(name for name in found if name != "pes")]
    elif "pes" in found and config.group_sizes and "group_sizes" not in found:
        found.append("group_sizes")
    return found


def _option(field: str, value: object) -> list[str]:
    """A size as options of the command line."""
    name = field.replace("_", "-")
    match value:
        case tuple():
            return [word for size in value for word in ("--group-size", str(size))]
        case bool() if field == "single_port":
            return ["--single-port" if value else "--two-ports"]
        case bool():
            return [f"--{name}" if value else f"--no-{name}"]
    return [f"--{name}", str(value)]


def heading(about: About, component: wiring.Component, name: str) -> str:
    """The comment that a file begins with, and the time scale."""
    config = about.config
    lines = [
        f"{name}: {about.what}, {config}.",
        "",
        "SPDX-License-Identifier: Apache-2.0",
        f"Written by: {about.command(name)}",
        f"With: openwork {version('openwork')}, amaranth {version('amaranth')}, {yosys.version()}",
        f"Fingerprint: 0x{config.fingerprint:08x}; images are compiled for it.",
        f"Weight encodings: {', '.join(one.name.lower() for one in about.encodings)}.",
        *(f"  {line}" for line in ["Sizes:", *(f"  {line}" for line in config.table().splitlines())]),
    ]
    if config.technology in MODELS:
        lines += [f"For simulation, models of the cells of {config.technology} are in {name}_cells.v."]
    elif config.technology is not Technology.GENERIC:
        lines += [f"For simulation, Yosys has models of the cells: its share/{config.technology}/cells_sim.v."]
    if payloads := list(_payloads(component)):
        lines += ["Ports with fields, each from its lowest bit:", *(f"  {line}" for line in payloads)]
    return "".join(f"// {line}".rstrip() + "\n" for line in lines) + "\n" + TIMESCALE


def _payloads(component: wiring.Component) -> Iterator[str]:
    """A line for each payload that is a structure: its fields and their bits."""
    for path, member, _value in component.signature.flatten(component):
        if isinstance(member.shape, data.StructLayout):
            places = [
                f"{field} {place.offset + place.width - 1}:{place.offset}"
                for field, place in member.shape
                if place.width
            ]
            yield f"{'__'.join(map(str, path))}: {', '.join(places)}"


def compact_memories(text: str) -> str:
    """Verilog in which runs of equal words of a memory are started by a loop."""
    made = 0
    out: list[str] = []

    def kind(line: str) -> tuple[str, str] | None:
        match = _START.fullmatch(line)
        return (match["memory"], match["value"]) if match else None

    for found, group in groupby(text.splitlines(keepends=True), kind):
        lines = list(group)
        if found is None or len(lines) < FEWEST_WORDS:
            out += lines
            continue
        (memory, value), words = found, [int(_START.fullmatch(line)["word"]) for line in lines]  # type: ignore[index]  # matched
        if words != list(range(words[0], words[-1] + 1)):
            out += lines
            continue
        made += 1
        word = f"start_word_{made}"
        out += [
            f"    begin : start_{made}\n",
            f"      integer {word};\n",
            f"      for ({word} = {words[0]}; {word} < {words[-1] + 1}; {word} = {word} + 1)\n",
            f"        {memory}[{word}] = {value};\n",
            "    end\n",
        ]
    return "".join(out)


def sources(about: About, name: str) -> list[str]:
    """The files that a simulator of the module needs."""
    return [f"{name}.v", *([f"{name}_cells.v"] if about.config.technology in MODELS else [])]


def waivers(about: About, name: str, ports: Sequence[str]) -> str:
    """Verilator's configuration file for the module: the rules that it does not keep, each with its reason."""
    lines = [
        "// SPDX-License-Identifier: Apache-2.0",
        f"// For Verilator: verilator --lint-only -Wall --top-module {name} {' '.join([f'{name}.vlt', *sources(about, name)])}",
        "`verilator_config",
    ]
    rules = WAIVERS | (CELL_WAIVERS if about.config.technology is not Technology.GENERIC else {})
    for rule, reason in rules.items():
        lines.append(f'lint_off -rule {rule} -file "*{name}.v"  // {reason}')
    for port, reason in PORT_WAIVERS.items():
        if port in ports:
            rule, _, reason = reason.partition(": ")
            lines.append(f'lint_off -rule {rule} -file "*{name}.v" -match "*\'{port}\'*"  // {reason}')
    if about.config.technology in MODELS:
        for rule, reason in MODEL_WAIVERS.items():
            lines.append(f'lint_off -rule {rule} -file "*{name}_cells.v"  // {reason}')
    return "\n".join(lines) + "\n"
