"""The chain's Verilog alone under cocotb: passes with stalled streams against the image simulator."""

from collections.abc import Mapping
from itertools import chain, repeat

import numpy as np
import pytest
from tests.slow import slow_but

from openwork.simulator.image import run_pass
from openwork_dv.campaign import random_features
from openwork_dv.jobs import ArrayJob, ArrayResult
from openwork_dv.packing import pack, unpack
from openwork_dv.runner import build
from openwork_dv.scoreboard import meant
from openwork_dv.stimulus import random_case
from openwork_dv.transactions import feature_words, run_step
from openwork_hw.arch.commands import Operation, RunCommand
from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.image import Instruction, command_fields
from openwork_hw.arch.nonzeros import Encoding
from openwork_hw.array.chain import Chain
from openwork_hw.array.payloads import Beat, BeatOp, Neighbour, RowEnd, Settings, TapEntryLayout

CONFIGS = {
    "two PEs": ArrayConfig(2, 3, feature_words=64, row_buffer_nonzeros=32, tap_entries=64, sum_bits=26, replicas=2),
    "six PEs": ArrayConfig(6, 3, feature_words=64, row_buffer_nonzeros=32, tap_entries=64, sum_bits=26, replicas=3),
}


def settings(config: ArrayConfig, step: Instruction, **fields: int) -> int:
    """Of a RUN; `fields`: what else holds."""
    run = step.command
    assert isinstance(run, RunCommand)
    layout, stands = run.layout, command_fields(run, config)
    return pack(
        Settings(config),
        row_groups=run.row_groups,
        single_group=run.row_groups == 1,
        last_but_one=max(run.row_groups - 2, 0),
        tap_bits=run.tap_bits,
        channels=layout.channels,
        channel_bits=layout.channel_bits,
        columns=layout.columns,
        turn_base=run.turn_base,
        single_pixel=run.hold == 1,
        maximum=run.operation is Operation.MAX,
        pool=run.operation is Operation.POOL,
        full_lanes=stands["full_lanes"],
        full_groups=stands["full_groups"],
        fill=run.fill,
        output_base=run.output_base,
        output_stride=run.output_stride,
        pad=run.pad,
        low=run.low,
        high=run.high,
        **fields,
    )


def beats(config: ArrayConfig, step: Instruction, features: np.ndarray) -> list[Mapping[str, int]]:
    """LOAD every PE's features, one group of one PE after the other; then the tap table."""
    cycles: list[Mapping[str, int]] = []
    for pe, words in enumerate(features):
        held = pack(Settings(config), loading=1, row_groups=config.pes, last_but_one=config.pes - 2, target=pe)
        cycles.append({"i__settings": held, "i__ends_group": 1})
        for address, word in enumerate(words):
            for lane, byte in enumerate(word):
                last = lane == config.lanes - 1
                beat = pack(Beat(config), op=BeatOp.LOAD, address=address, weight=int(byte), last=last)
                cycles.append({"i__beat": beat})
        cycles.append({"i__beat": 0})
    cycles.append({"i__beat": 0, "i__settings": settings(config, step)})
    for index, payload in enumerate(run_step(config, step).inputs["i_taps"]):
        entry = unpack(TapEntryLayout(config), payload)
        cycles.append({"i__beat": pack(Beat(config), op=BeatOp.TABLE, end=pack(RowEnd(config), offset=index), **entry)})
    cycles.append({"i__beat": 0})
    return cycles


def stores(config: ArrayConfig, step: Instruction) -> list[Mapping[str, int]]:
    """Wait until running has left the chain; then emit every word of every PE."""
    cycles: list[Mapping[str, int]] = [{"i__settings": settings(config, step)}, *repeat({}, config.pes + 2)]
    end = pack(RowEnd(config), emit=1)
    for pe in range(config.pes):
        cycles.append(
            {
                "i__settings": pack(
                    Settings(config),
                    row_groups=1,
                    single_group=1,
                    emitter=pe,
                    low=-128,
                    high=127,
                    full_lanes=config.lanes,
                    full_groups=config.pes,
                )
            }
        )
        for address in range(config.feature_words):
            here = {"lane_shift": Neighbour.HERE, "pe_shift": Neighbour.HERE}
            beat = pack(Beat(config), op=BeatOp.MAC, address=address, weight=1, first=1, last=1, end=end, **here)
            cycles += [{"i__beat": beat}, *repeat({"i__beat": 0}, config.lanes - 1)]
        cycles += repeat({}, 2 * config.pes + config.lanes + 20)
    return cycles


@pytest.mark.parametrize("stall", [0.0, 0.4])
@pytest.mark.parametrize("name", slow_but(CONFIGS, "two PEs"))
def test_passes_equal_the_image_simulator(name: str, stall: float, seed: int) -> None:
    config = CONFIGS[name]
    rng = np.random.default_rng([seed, 60])
    jobs, wanted = [], []
    for number, encoding in enumerate(chain(Encoding, Encoding)):
        image = random_case(rng, config, 700, encoding).image
        step = next(one for one in image.instructions if isinstance(one.command, RunCommand))
        features = random_features(rng, config)
        run = run_step(config, step)
        streams = {name: payloads for name, payloads in run.inputs.items() if name != "i_taps"}
        jobs.append(
            ArrayJob(
                beats(config, step, features),
                settings(config, step, running=1),
                streams,
                [{"i__settings": settings(config, step)}, *stores(config, step)],
                stall,
                number,
                10 * run.limit_cycles,
            )
        )
        wanted.append((run_pass(step, config, encoding, features), meant(step, config)))
    simulation = build(f"chain {config!r}", lambda: Chain(config, encodings=tuple(Encoding)))
    results: list[ArrayResult] = simulation.run("array", (len(config.feeders), jobs))
    for result, (expected, means) in zip(results, wanted, strict=True):
        assert result.done and result.left == 0
        found = feature_words(config, (byte & 255 for byte in result.emitted))
        assert np.array_equal(found.reshape(expected.shape)[means], expected[means])
