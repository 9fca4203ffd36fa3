"""FrameReceiver drops what its queue has no room for, and nothing else."""

from typing import Any

import pytest
from amaranth.sim import Simulator

from openwork_hw.arch.config import Technology
from openwork_hw.arch.link import Kind, Request, encode_request, unstuff
from openwork_hw.shells.frame_receiver import FrameReceiver

BYTES = 32


@pytest.mark.parametrize("fed", [3, 4, 5])
def test_a_request_that_does_not_fit_is_dropped_and_those_before_stay(fed: int) -> None:
    """Requests of 12 + `fed` bytes: two of them fit if that is 15; with 16 the second one's end would be the queue's last place."""
    receiver = FrameReceiver(BYTES, Technology.GENERIC, exact=True)
    requests = [
        encode_request(Request(Kind.FEED, number, fed, payload=bytes(range(1, fed + 1)))) for number in range(2)
    ]
    received = bytearray()

    async def bench(ctx: Any) -> None:
        for byte in b"".join(requests):
            ctx.set(receiver.i.payload, byte)
            ctx.set(receiver.i.valid, 1)
            await ctx.tick().until(receiver.i.ready)
        ctx.set(receiver.i.valid, 0)
        await ctx.tick()  # what a zero ends counts a cycle later
        assert ctx.get(receiver.expected) == (2 if fed == 3 else 1)
        ctx.set(receiver.o.ready, 1)
        for _ in range(4 * BYTES):
            _, _, valid, payload = await ctx.tick().sample(receiver.o.valid, receiver.o.payload)
            if valid:
                received.append(payload.byte)

    simulator = Simulator(receiver)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    kept = requests if fed == 3 else requests[:1]
    assert bytes(received) == b"".join(unstuff(request[:-1]) for request in kept)
