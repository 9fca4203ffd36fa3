"""The driver of the bus shell against a made-up block: what it refuses, and what it writes."""

import pytest

from openwork.bus import BusDriver, BusError
from openwork_hw.arch import registers
from openwork_hw.arch.image import ImageStatus
from openwork_hw.arch.registers import Register

IDENTITY = registers.IDENTITY.pack(map_version=registers.MAP_VERSION, mark=registers.IDENTITY_MARK)


class Block:
    """Registers that hold what is put there; writes are noted."""

    def __init__(self, words: dict[Register, int]) -> None:
        self.words = {register.address: word for register, word in words.items()}
        self.written: list[tuple[int, int]] = []

    def read(self, address: int) -> int:
        return self.words.get(address, 0)

    def write(self, address: int, word: int) -> None:
        self.written.append((address, word))

    def driver(self) -> BusDriver:
        return BusDriver(self.read, self.write)


@pytest.mark.parametrize(
    ("identity", "sentence"),
    [
        (0xFFFF_FFFF, "there is no Openwork block at this address: IDENTITY reads 0xffffffff"),
        (
            IDENTITY + 1,
            "the block has version 2 of the register map, and this driver knows 1: use the driver that came",
        ),
    ],
)
def test_another_block_is_refused(identity: int, sentence: str) -> None:
    with pytest.raises(BusError, match=sentence):
        Block({registers.IDENTITY: identity}).driver()


def test_a_run_without_an_end_is_said() -> None:
    block = Block({registers.IDENTITY: IDENTITY, registers.STATUS: registers.STATUS.pack(busy=1)})
    driver = block.driver()
    driver.start()
    with pytest.raises(BusError, match=r"no answer after 0.01 seconds: a run waits for its features"):
        driver.wait(timeout_seconds=0.01)
    assert block.written == [(registers.CONTROL.address, registers.CONTROL.pack(run=1))]


def test_answers_have_names() -> None:
    answer = registers.ANSWER.pack(status=4, valid=1)
    driver = Block({registers.IDENTITY: IDENTITY, registers.ANSWER: answer, registers.CYCLES: 99}).driver()
    result = driver.check()
    assert (result.status, result.cycles, result.reports) == (ImageStatus.CONFIGURATION, 99, ())
