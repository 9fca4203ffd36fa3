"""PinPoor: every input is fed, arrays of streams share a bus, and nothing is optimized away."""

import json
from pathlib import Path

import pytest
from amaranth.back import rtlil
from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from openwork_fpga import yosys
from openwork_fpga.harness import HOP_REGISTERS, PinPoor

WORDS = 3


class Adder(wiring.Component):
    """Adds the words that arrive, each in a register of its own, to a number."""

    def __init__(self) -> None:
        super().__init__(
            {
                "number": In(8),
                "i_words": In(stream.Signature(8)).array(WORDS),
                "sums": Out(8).array(WORDS),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        for index in range(WORDS):
            word = Signal(8, name=f"word_{index}")
            m.d.comb += [self.i_words[index].ready.eq(1), self.sums[index].eq(word)]
            with m.If(self.i_words[index].valid):
                m.d.sync += word.eq(self.number + self.i_words[index].payload)
        return m


@pytest.mark.parametrize("global_reset", [False, True])
def test_counts_of_registers(tmp_path: Path, global_reset: bool) -> None:
    top = PinPoor(Adder(), global_reset=global_reset)
    (tmp_path / "top.il").write_text(rtlil.convert(top, name="top", emit_src=False))
    script = (
        "read_rtlil top.il\nhierarchy -top top\nproc\nflatten\nopt -full\nsimplemap\n"
        # A flip-flop a bit: now those are taken together that have the same input.
        "opt -full\ntee -q -o cells.json stat -json\n"
    )
    yosys.run_script(script, tmp_path)
    text = (tmp_path / "cells.json").read_text()
    design = json.loads(text[text.index("{") :])["design"]
    registers = sum(count for kind, count in design["num_cells_by_type"].items() if "DFF" in kind)
    component = 8 * WORDS
    inputs = 8 + WORDS + 8  # number, valids, one shared bus
    bus = 8 + 8 * WORDS * HOP_REGISTERS
    outputs = 8 * WORDS + 1  # sums; readys are one constant
    folds = 7 + 2 + 1
    reset = 0 if global_reset else 2
    assert registers == component + inputs + bus + outputs + folds + reset
    instances = {"SGSR": 1, "FD1S3AX": 2} if global_reset else {}
    assert {kind: design["num_cells_by_type"][kind] for kind in instances} == instances
    assert design["num_port_bits"] == 4
