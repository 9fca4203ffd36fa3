"""The SDRAM controller and the model of its chip as Verilog under cocotb: what is written is read, and no rule is broken."""

from dataclasses import replace
from random import Random

import pytest

from openwork_dv.jobs import SdramJob
from openwork_dv.packing import pack
from openwork_dv.runner import Simulator, build
from openwork_dv.sdram.system import SdramSystem
from openwork_dv.sdram.violations import violated
from openwork_hw.arch.sdram import SDRAM_CHIPS, SdramConfig
from openwork_hw.memory.payloads import SdramAddress, SdramRequest

SMALL = replace(SDRAM_CHIPS["IS42S16160G"], row_bits=4, column_bits=6, refreshes=16, startup=2000, retention=24500)
REAL = {
    "16 bits": SdramConfig(replace(SDRAM_CHIPS["AS4C32M16"], row_bits=3, refreshes=8, retention=62.5e3), 100e6),
    "32 bits": SdramConfig(replace(SDRAM_CHIPS["M12L64322A"], row_bits=3, refreshes=16, retention=250e3), 133e6),
}
"""Chips of few rows that are refreshed as often as the whole ones."""


def random_job(config: SdramConfig, seed: int, number: int, stall: float) -> tuple[SdramJob, list[int]]:
    """Writes and reads of what was written, and the words that must come back."""
    chip, random = config.chip, Random(seed)
    memory: dict[int, int] = {}
    requests, words, expected = [], [], []
    for _ in range(number):
        write = not memory or random.random() < 0.5
        if write:
            row = random.randrange(1 << chip.row_bits + chip.bank_bits)
            column = random.randrange(chip.columns)
        else:
            row, column = divmod(random.choice(list(memory)), chip.columns)
        place = row * chip.columns + column
        longest = chip.columns - column
        if not write:
            # As far as it has been written.
            longest = next(
                length for length in range(1, longest + 1) if length == longest or place + length not in memory
            )
        beats = random.choice((1, longest, random.randint(1, longest)))
        if write:
            new = [random.getrandbits(chip.data_bits) for _ in range(beats)]
            words += new
            memory.update(zip(range(place, place + beats), new, strict=True))
        else:
            expected += [memory[place + beat] for beat in range(beats)]
        bank, upper = row & ((1 << chip.bank_bits) - 1), row >> chip.bank_bits
        address = pack(SdramAddress(chip), column=column, bank=bank, row=upper)
        requests.append(pack(SdramRequest(chip), address=address, further=beats - 1, write=write))
    return SdramJob(requests, words, len(expected), stall, seed, 400 * number + 40 * len(words)), expected


def run(config: SdramConfig, simulator: Simulator, jobs: list[tuple[SdramJob, list[int]]]) -> None:
    simulation = build(f"sdram {config!r}", lambda: SdramSystem(config), simulator=simulator)
    # Each job reads what it has written itself.
    for result, (job, expected) in zip(simulation.run("sdram", [job for job, _ in jobs]), jobs, strict=True):
        assert violated(result.seen) == [] and result.problems == ()
        assert list(result.words) == expected, f"after {result.cycles} of {job.limit_cycles} cycles"


def test_words_come_back_in_icarus(seed: int) -> None:
    config = SdramConfig(SMALL, 100e6)
    run(
        config,
        Simulator.ICARUS,
        [random_job(config, seed + place, 60, stall) for place, stall in enumerate((0, 0.4, 0.9))],
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", REAL)
def test_words_come_back_in_verilator_after_the_real_start_up(name: str, seed: int) -> None:
    config = REAL[name]
    run(
        config,
        Simulator.VERILATOR,
        [random_job(config, seed + place, 60, stall) for place, stall in enumerate((0, 0.5))],
    )
