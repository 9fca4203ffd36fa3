"""Runs a layer program without a clock, from nothing but its commands, tap tables, records and encoded words.

It is to the compiler what the golden model is to the gateware: whatever layout, balance, tap table or encoding get
wrong shows here, before any hardware is simulated.
"""

import numpy as np
from numpy.typing import NDArray

from openwork.compiler.program import LayerProgram, Pass
from openwork_hw.arch import encodings
from openwork_hw.arch.arithmetic import requantize_folded, wrap
from openwork_hw.arch.commands import RunCommand, TapEntry, check_command
from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.nonzeros import Encoding


def run_program(program: LayerProgram, inputs: NDArray[np.int8]) -> NDArray[np.int8]:
    """The layer's output, int8 [rows, height, width], for inputs int8 [channels, height, width]."""
    config = program.config
    features = np.zeros((config.pes, config.feature_words, config.lanes), dtype=np.int8)
    for load, words in program.loads(inputs):
        check_command(load, config)
        features[load.group :: load.row_groups, load.address : load.address + load.words] = words
    for step in program.passes:
        features = run_pass(step, config, program.encoding, features)
    for store in program.stores:
        check_command(store, config)
    return program.outputs([features[s.pe, s.address : s.address + s.words] for s in program.stores])


def run_pass(step: Pass, config: ArrayConfig, encoding: Encoding, features: NDArray[np.int8]) -> NDArray[np.int8]:
    """The feature memories, int8 [pes, feature_words, lanes], after a pass."""
    run = step.run
    check_command(run, config)
    if len(step.taps) != run.tap_entries:
        raise ValueError(f"the pass needs {run.tap_entries} tap entries, and has {len(step.taps)}")
    result = features.copy()
    for stream, (words, records) in enumerate(zip(step.words, step.records, strict=True)):
        rows = encodings.decode(encoding, words, run.layout, [record.row for record in records])
        starts = np.concatenate([[0], np.cumsum(rows.lengths)[:-1]])
        offsets = np.array([record.offset for record in records], dtype=np.int64)[:, None]
        shifts = np.array([record.shift for record in records], dtype=np.int64)[:, None]
        written = np.array([record.row for record in records if record.write], dtype=np.int64)
        pes = slice(stream * run.row_groups, (stream + 1) * run.row_groups)
        for pixel in range(run.hold):
            operands = _operands(run, step.taps[pixel << run.tap_bits : (pixel + 1) << run.tap_bits], features[pes])
            products = operands[:, rows.columns].astype(np.int64) * rows.values.astype(np.int64)[:, None]
            sums = np.add.reduceat(products, starts, axis=1)
            total = wrap(sums + offsets, config.sum_bits)
            outputs = requantize_folded(total, np.zeros_like(offsets), shifts, run.low, run.high)
            keep = [index for index, record in enumerate(records) if record.write]
            base = run.output_base + pixel * run.output_stride
            result[pes, base + written] = outputs[:, keep].astype(np.int8)
    return result


def _operands(run: RunCommand, taps: tuple[TapEntry, ...], features: NDArray[np.int8]) -> NDArray[np.int8]:
    """What each column of the matrix reads for one pixel, int8 [row groups, columns, lanes].

    Args:
        features: int8 [row groups, feature words, lanes], the memories of the PEs of one stream.
    """
    groups, _, lanes = features.shape
    channels = run.layout.channels
    operands = np.zeros((groups, run.layout.taps, 1 << run.layout.channel_bits, lanes), dtype=np.int8)
    for tap, entry in enumerate(taps[: run.layout.taps]):
        bordered = np.full((groups + 2, channels, lanes + 2), run.pad, dtype=np.int8)
        bordered[1:-1, :, 1:-1] = features[:, entry.address : entry.address + channels]
        group, lane = 1 + entry.pe_shift, 1 + entry.lane_shift
        operands[:, tap, :channels] = bordered[group : group + groups, :, lane : lane + lanes]
    return operands.reshape(groups, -1, lanes)
