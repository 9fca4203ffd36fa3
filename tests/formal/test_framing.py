"""The link takes whole requests in order and nothing else, whatever comes on the line, and puts the right CRC behind responses."""

from pathlib import Path

import pytest

from openwork_dv.formal.framing import receiver_properties, sender_properties
from openwork_dv.formal.mutants import mutant
from openwork_dv.formal.prover import Prover
from openwork_hw.arch.config import Technology
from openwork_hw.shells import frame_receiver, frame_sender
from openwork_hw.shells.frame_receiver import FrameReceiver
from openwork_hw.shells.frame_sender import FrameSender

BYTES = 32
CYCLES = 30
"""Enough for two bytes and what ends them. A good CRC takes more, and solvers long: that requests do count is tested elsewhere."""

FRAME_CYCLES = 140
"""Enough for the shortest whole frame."""


@pytest.mark.slow
def test_only_whole_requests_in_order_count_and_nothing_hangs(tmp_path: Path) -> None:
    receiver = FrameReceiver(BYTES, Technology.GENERIC, exact=True)
    prover = Prover(receiver_properties(receiver, bytes=BYTES), tmp_path)
    assert prover.unproved() == []
    assert prover.unreached(cycles=CYCLES) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("healthy", "broken", "claim", "cycles"),
    [
        ("& over & check.match_detected", "& over", "reset", FRAME_CYCLES),
        ("[turns_left.eq(turns_left - 1), held", "[held", "takes_a_byte_in_nine_cycles", CYCLES),
    ],
)
def test_a_broken_receiver_is_found(healthy: str, broken: str, claim: str, cycles: int, tmp_path: Path) -> None:
    twin = mutant(frame_receiver, healthy, broken)
    receiver = twin.FrameReceiver(BYTES, Technology.GENERIC, exact=True)
    found = Prover(receiver_properties(receiver, bytes=BYTES), tmp_path).counterexample(cycles=cycles)
    assert found is not None and found.claim == claim


def test_responses_leave_with_their_crc(tmp_path: Path) -> None:
    prover = Prover(sender_properties(FrameSender()), tmp_path)
    # The CRC leaves its register bit by bit, which no invariant was found for: that it is right is proved for short runs.
    assert prover.counterexample(cycles=24) is None
    assert prover.unproved(but=["byte_or_crc"]) == []
    assert prover.unreached(cycles=24) == []


@pytest.mark.parametrize(
    ("healthy", "broken", "claim"),
    [
        ("Mux(in_crc, crc_bit, byte[0]))", "byte[0])", "byte_or_crc"),
        ("m.d.sync += self.o.valid.eq(0)", "m.d.sync += self.o.valid.eq(last)", "byte_or_crc"),
    ],
)
def test_a_broken_sender_is_found(healthy: str, broken: str, claim: str, tmp_path: Path) -> None:
    sender = mutant(frame_sender, healthy, broken).FrameSender()
    found = Prover(sender_properties(sender), tmp_path).counterexample(cycles=24)
    assert found is not None and found.claim == claim
