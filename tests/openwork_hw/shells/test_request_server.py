"""RequestServer: requests of every kind, as the halves of it share one set of registers."""

from typing import Any

import numpy as np
import pytest
from tests.openwork_hw.simulated import simulated
from tests.slow import slow_but

from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.link import HEADER, MARKER, RESPONSE_HEADER, Identity, Kind, encode_identity
from openwork_hw.arch.nonzeros import Encoding
from openwork_hw.image.run_control import Request
from openwork_hw.shells.request_server import RequestServer

IDENTITY = Identity(ArrayConfig(1, 1), (Encoding.CSR,), 64, 64, 64, 1_000_000)
CRC = bytes(4)
SESSION, EXPECTED = 9, 3


def request(kind: Kind, address: int, length: int, payload: bytes = b"") -> bytes:
    return HEADER.pack(kind, 0, length, address) + payload + CRC


def response(kind: Kind, address: int, payload: bytes) -> bytes:
    """Without its CRC; the echo is the lower half of the address."""
    return RESPONSE_HEADER.pack(MARKER, SESSION, EXPECTED, kind, address & 0xFFFF, len(payload)) + payload


@pytest.mark.parametrize("stall", slow_but([0.0, 0.6], 0.6))
def test_every_kind_of_request_is_carried_out(stall: float) -> None:
    dut = RequestServer(IDENTITY)
    rng = np.random.default_rng(8)
    memory = rng.integers(0, 1 << 32, IDENTITY.memory_words).tolist()
    results = bytes(range(100, 110))
    asked = [
        request(Kind.WRITE, 5, 8, bytes(range(1, 9))),
        request(Kind.WRITE, 63, 8, bytes(8)),  # beyond: dropped
        request(Kind.PEEK, 5, 8),
        request(Kind.PEEK, 64, 4),  # beyond: without words
        request(Kind.FEED, 0, 3, b"\x01\xff\x7f"),
        request(Kind.START, 1, 0),
        request(Kind.HELLO, 0, 0),
        request(Kind.READ, 2, 4),
        request(Kind.READ, 6, 60),  # the array is idle: what there is
    ]
    stream = [(byte, index == len(one) - 1) for one in asked for index, byte in enumerate(one)]
    came, features, requests = bytearray(), [], []
    ends: list[int] = []

    async def bench(ctx: Any) -> None:
        def goes() -> bool:
            return bool(rng.random() >= stall)

        at = 0
        words: list[int] = []
        ctx.set(dut.session, SESSION)
        ctx.set(dut.expected, EXPECTED)
        ctx.set(dut.given, len(results))
        read = [0, 0, 0]
        for _ in range(6000):
            offered = at < len(stream) and goes()
            ctx.set(dut.i.valid, offered)
            if offered:
                ctx.set(dut.i.payload, {"byte": stream[at][0], "last": stream[at][1]})
            for port in (dut.o, dut.o_writes, dut.o_features, dut.o_requests, dut.o_peeks):
                ctx.set(port.ready, goes())
            # A memory answers later, the array's answer comes when it is asked, the result buffer three cycles late.
            ctx.set(dut.i_peeked.valid, bool(words) and goes())
            if words:
                ctx.set(dut.i_peeked.payload, words[0])
            if ctx.get(dut.i_peeked.valid):
                words.pop(0)
            read = [*read[1:], ctx.get(dut.read)]
            ctx.set(dut.data, results[read[0]] if read[0] < len(results) else 0)
            taken = {
                name: ctx.get(getattr(dut, name).payload)
                for name in ("o", "o_writes", "o_features", "o_requests", "o_peeks")
                if ctx.get(getattr(dut, name).valid) and ctx.get(getattr(dut, name).ready)
            }
            if "o" in taken:
                came.append(taken["o"].byte)
                if taken["o"].last:
                    ends.append(len(came))
            if "o_writes" in taken:
                memory[taken["o_writes"].address] = taken["o_writes"].word
            if "o_features" in taken:
                features.append(taken["o_features"])
            if "o_peeks" in taken:
                words.append(memory[taken["o_peeks"]])
            ctx.set(dut.answered, "o_requests" in taken)
            if "o_requests" in taken:
                requests.append(taken["o_requests"])
            at += offered and ctx.get(dut.i.ready)
            await ctx.tick()
        assert at == len(stream)

    simulated(dut, bench)
    expected = [
        response(Kind.PEEK, 5, bytes(range(1, 9))),
        response(Kind.PEEK, 64, b""),
        response(Kind.HELLO, 0, encode_identity(IDENTITY)),
        response(Kind.READ, 2, results[2:6]),
        response(Kind.READ, 6, results[6:]),
    ]
    assert bytes(came) == b"".join(expected)
    assert ends == np.cumsum([len(one) for one in expected]).tolist()
    assert (features, requests) == ([1, -1, 127], [Request.RUN])
