"""The block in a simulator: an image goes in as one packet, CHECK and RUN are asked for, and the outputs are the golden model's."""

import cocotb
import numpy as np
import torch
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles
from cocotbext.axi import AxiLiteBus, AxiLiteMaster, AxiStreamBus, AxiStreamSink, AxiStreamSource
from torch import nn

import openwork

CONTROL, STATUS, ANSWER = 0x20, 0x28, 0x2C  # of docs/registers.md
CHECK, RUN = 1, 2


async def ask(registers, what):
    """Ask for CHECK or RUN, wait until the block is not busy, and see that the answer is `good`."""
    await registers.write_dword(CONTROL, what)
    while await registers.read_dword(STATUS) & 1:
        pass
    assert await registers.read_dword(ANSWER) & 15 == 0


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def outputs_are_those_of_the_golden_model(dut):
    """Two inputs, one after the other."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 2, 1)).eval()
    network = openwork.quantize(model, torch.rand(16, 1, 8, 8))
    image = openwork.compile(network, "demo")  # for the array that `openwork verilog --preset demo` writes
    inputs = network.integer_inputs(torch.rand(2, 1, 8, 8).numpy())

    Clock(dut.aclk, 10, unit="ns").start()
    common = {"clock": dut.aclk, "reset": dut.aresetn, "reset_active_level": False}
    registers = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axi"), **common)
    words = AxiStreamSource(AxiStreamBus.from_prefix(dut, "s_axis_image"), **common, byte_lanes=4)
    features = AxiStreamSource(AxiStreamBus.from_prefix(dut, "s_axis_features"), **common)
    results = AxiStreamSink(AxiStreamBus.from_prefix(dut, "m_axis_features"), **common)
    dut.aresetn.value = 0
    await ClockCycles(dut.aclk, 2)
    dut.aresetn.value = 1

    await words.send(image.words.tobytes())
    await words.wait()
    await ask(registers, CHECK)
    for one, golden in zip(inputs, image.run(inputs, "golden"), strict=True):
        await features.send(image.load_bytes(one).tobytes())
        await ask(registers, RUN)
        packet = await results.recv()
        assert np.array_equal(image.outputs(np.frombuffer(packet.tdata, np.int8)), golden)
