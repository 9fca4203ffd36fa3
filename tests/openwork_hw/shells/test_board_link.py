"""The gateware's side of the link answers every byte as the model does; the host library is tested against the model."""

from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from amaranth.hdl import Cat, Module, Signal
from amaranth.sim import Simulator

from openwork_dv.link import ArrayModel, BoardModel, image_taking
from openwork_hw.arch.config import PRESETS
from openwork_hw.arch.image import ImageStatus
from openwork_hw.arch.link import (
    ANSWER,
    Identity,
    Kind,
    Order,
    Request,
    Response,
    decode_identity,
    decode_response,
    encode_request,
)
from openwork_hw.arch.nonzeros import Encoding
from openwork_hw.image.run_control import Request as RunnerRequest
from openwork_hw.shells.board_link import BoardLink

CONFIG = PRESETS["tiny"]
IDENTITY = Identity(CONFIG, (Encoding.PACKED,), 64, 128, 64, 1_000_000, reports=False)
SMALLEST = Identity(CONFIG, (Encoding.PACKED,), 64, 64, 64, 1_000_000, reports=False, peek=False)
READ_ONLY = Identity(CONFIG, (Encoding.PACKED,), 64, 64, 64, 1_000_000, writable=False, reports=False)

QUIET_CYCLES = 100
"""Nothing that goes on in this link pauses so long."""


IMAGE = image_taking(20, CONFIG)


def compute(inputs: bytes) -> bytes:
    return bytes(byte ^ 0x5A for byte in inputs)


def answers(identity: Identity, pieces: Sequence[bytes], *, stall: float = 0.0, hold: int = 0) -> list[bytes]:
    """What the gateware answers to each piece; the next one comes when it is silent.

    The array holds its results back until so many bytes of the piece's answer have gone out.
    """
    link = BoardLink(identity)
    array = ArrayModel(identity, compute)
    array.memory[: len(IMAGE)] = IMAGE
    random = Random(1)
    found: list[bytes] = []

    ports = [name for name in link.signature.members if name not in ("i_reports", "transfer", "stop")]
    moving = Signal(len(ports))  # looked at once a cycle: the simulator is slow with each look
    top = Module()
    top.submodules.link = link
    streams = [getattr(link, name) for name in ports]
    top.d.comb += moving.eq(Cat(stream.valid & stream.ready for stream in streams))

    async def bench(ctx: Any) -> None:
        results: deque[int] = deque()
        peeked: int | None = None
        shown: dict[str, Any] = {}

        def show(name: str, value: Any) -> None:
            if shown.get(name) != value:
                port, _, part = name.partition(".")
                ctx.set(getattr(getattr(link, port), part), value)
                shown[name] = value

        for piece in pieces:
            line, answer, quiet = deque(piece), bytearray(), 0
            while quiet < QUIET_CYCLES:
                show("i_bytes.valid", bool(line))
                show("i_bytes.payload", line[0] if line else 0)
                show("o_bytes.ready", random.random() >= stall)
                show("o_requests.ready", not array.busy and not results)
                show("o_features.ready", array.wants and random.random() >= stall)
                show("o_writes.ready", random.random() >= stall)
                show("o_peeks.ready", peeked is None)
                show("i_peeked.valid", peeked is not None)
                show("i_peeked.payload", peeked or 0)
                show("i_features.valid", len(results) > ANSWER.size)
                show("i_features.payload", results[0] - (results[0] >> 7 << 8) if results else 0)
                show("i_answers.valid", len(results) == ANSWER.size)
                if len(results) == ANSWER.size:
                    status, cycles = ANSWER.unpack(bytes(results))
                    show("i_answers.payload", {"status": status, "cycles": cycles})
                moved = ctx.get(moving)
                quiet = 0 if moved else quiet + 1
                for number, name in enumerate(ports):
                    if not moved >> number & 1:
                        continue
                    payload = ctx.get(streams[number].payload)
                    match name:
                        case "i_bytes":
                            line.popleft()
                        case "o_bytes":
                            answer.append(payload)
                        case "o_requests":
                            array.start(Order(int(payload == RunnerRequest.RUN)))
                        case "o_features":
                            array.feed(bytes([payload & 255]))
                        case "o_writes":
                            array.memory[payload["address"] % len(array.memory)] = payload["word"]
                        case "o_peeks":
                            peeked = int(array.memory[payload % len(array.memory)])
                        case "i_peeked":
                            peeked = None
                        case "i_features":
                            results.popleft()
                        case "i_answers":
                            results.clear()
                if array.busy and len(answer) >= hold:
                    results.extend(array.results())
                if ctx.get(link.stop):
                    array.reset()
                    results.clear()
                    peeked = None
                await ctx.tick()
            found.append(bytes(answer))

    simulator = Simulator(top)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return found


def model(identity: Identity) -> BoardModel:
    board = BoardModel(identity, compute)
    board.array.memory[: len(IMAGE)] = IMAGE
    return board


def model_answers(identity: Identity, pieces: Sequence[bytes]) -> list[bytes]:
    board = model(identity)
    found = []
    for piece in pieces:
        board.take(piece)
        found.append(board.give())
    return found


def frames(*requests: Request) -> bytes:
    return b"".join(map(encode_request, requests))


def write(sequence: int, address: int, payload: bytes) -> Request:
    return Request(Kind.WRITE, sequence, len(payload), address, payload)


def hello(tag: int = 7) -> Request:
    return Request(Kind.HELLO, address=tag)


def words_of(size: int) -> bytes:
    return image_taking(size, CONFIG).astype("<u4").tobytes()


def conversation() -> list[bytes]:
    """Everything once, in a session of number 9."""
    image = words_of(20)
    half = 32
    inputs = bytes(range(0, 200, 10))
    return [
        b"\0" + frames(Request(Kind.RESET, 9), hello(0xBEEF)),
        frames(write(0, 0, image[:half]), hello()),
        frames(write(1, half // 4, image[half:]), Request(Kind.PEEK, 2, 8, 15)),
        frames(Request(Kind.START, 3, 0, Order.CHECK), Request(Kind.READ, 4, 8, 0)),
        frames(Request(Kind.START, 5, 0, Order.RUN), Request(Kind.FEED, 6, 20, 0, inputs)),
        frames(Request(Kind.READ, 7, 10, 8 | 8 << 16)),
        frames(Request(Kind.READ, 8, 18, 18 | 8 << 16)),
        frames(Request(Kind.READ, 9, 50, 12 | 8 << 16)),  # once more, and more than there is
        frames(Request(Kind.READ, 10, 5, 60 | 8 << 16)),  # beyond what there is
    ]


def test_conversation() -> None:
    found = answers(IDENTITY, conversation())
    responses = [decode_all(answer) for answer in found]
    assert decode_identity(responses[0][0].payload) == IDENTITY
    assert [(one.session, one.expected, one.echo) for one in responses[0]] == [(9, 0, 0xBEEF)]
    assert [one.expected for one in responses[1]] == [1]
    assert responses[2][0].payload == words_of(20)[60:68]
    assert responses[3][0].payload == ANSWER.pack(ImageStatus.GOOD, 0)
    assert responses[4] == []
    outputs = compute(bytes(range(0, 200, 10))) + ANSWER.pack(ImageStatus.GOOD, 0)
    assert [one.payload for answer in responses[5:7] for one in answer] == [outputs[:10], outputs[10:]]
    assert [one.payload for one in responses[7]] == [outputs[4:]]
    assert [one.payload for one in responses[8]] == [b""]
    assert found == model_answers(IDENTITY, conversation())


@pytest.mark.parametrize("identity", [SMALLEST, READ_ONLY])
def test_a_board_without_what_can_be_left_out(identity: Identity) -> None:
    """It drops what it does not know, and goes on."""
    inputs = bytes(range(20))
    pieces = [
        b"\0" + frames(Request(Kind.RESET, 3), hello()),
        frames(Request(Kind.START, 0, 0, Order.CHECK), Request(Kind.START, 1, 0, Order.RUN)),
        frames(Request(Kind.FEED, 2, 20, 0, inputs), Request(Kind.READ, 3, 36, 0)),
        frames(Request(Kind.PEEK, 4, 4, 0) if not identity.peek else Request(Kind.WRITE, 4, 4, 0, b"gone")),
        frames(hello()),
    ]
    found = answers(identity, pieces)
    assert decode_identity(decode_all(found[0])[0].payload) == identity
    good = ANSWER.pack(ImageStatus.GOOD, 0)
    assert decode_all(found[2])[0].payload == good + compute(inputs) + good
    assert found[3] == b""
    assert decode_all(found[4])[0].expected == 5
    assert found[:3] == model_answers(identity, pieces[:3])


def test_what_reaches_beyond_the_memory_or_says_another_length_is_not_carried_out() -> None:
    """The last word of the memory counts, the one behind it does not. A request's words are all written, or none is."""
    last = IDENTITY.memory_words - 1
    short = Request(Kind.WRITE, 7, 400, 40, b"even")
    pieces = [
        b"\0" + frames(Request(Kind.RESET, 3)),
        frames(write(0, last, b"last"), Request(Kind.PEEK, 1, 4, last)),
        frames(write(2, last, b"pastpast"), write(3, 1 << 20, b"wrap"), write(4, (1 << 32) - 1, b"wrap"), hello()),
        frames(Request(Kind.PEEK, 5, 4, last)),
        frames(Request(Kind.PEEK, 6, 4, 0)),
        frames(short, replace(short, length=0), replace(short, length=3), replace(short, length=5), hello()),
        frames(Request(Kind.START, 7, 0, Order.CHECK, b"more"), Request(Kind.FEED, 7, 2, 0, b"f"), hello()),
        frames(Request(Kind.PEEK, 7, 4, 40)),
        *(frames(Request(Kind.PEEK, 8 + index, 8, at)) for index, at in enumerate((last, last + 1, 1 << 30))),
    ]
    found = answers(IDENTITY, pieces)
    kept = [decode_all(found[piece])[0].payload for piece in (1, 3, 4, 7)]
    assert kept == [b"last", b"last", words_of(20)[:4], bytes(4)]
    assert [decode_all(found[piece])[-1].expected for piece in (2, 5, 6)] == [5, 7, 7]
    assert [decode_all(answer)[0].payload for answer in found[8:]] == [b""] * 3
    assert found == model_answers(IDENTITY, pieces)


def test_a_board_that_waits_for_ever_listens_to_a_reset() -> None:
    """A FEED that nobody takes, and requests behind it until the buffer is full: a HELLO is lost, a RESET is not."""
    feed = Request(Kind.FEED, 0, 20, 0, bytes(20))
    behind = [Request(Kind.FEED, number, 20, 0, bytes(20)) for number in range(1, 6)]
    pieces = [
        b"\0" + frames(Request(Kind.RESET, 3)),
        frames(feed, *behind, hello()),
        frames(Request(Kind.RESET, 4), hello()),
        frames(Request(Kind.START, 0, 0, Order.CHECK), Request(Kind.READ, 1, 8)),
    ]
    found = answers(IDENTITY, pieces)
    assert found[1] == b""
    assert [(one.session, one.expected) for one in decode_all(found[2])] == [(4, 0)]
    assert decode_all(found[3])[0].payload == ANSWER.pack(ImageStatus.GOOD, 0)


def test_a_hello_ends_the_wait_of_a_read() -> None:
    pieces = [
        b"\0" + frames(Request(Kind.RESET, 3)),
        frames(Request(Kind.START, 0, 0, Order.CHECK), Request(Kind.READ, 1, 8)),
        frames(Request(Kind.START, 2, 0, Order.RUN), Request(Kind.FEED, 3, 4, 0, bytes(4))),
        frames(Request(Kind.READ, 4, 8, 8 | 8 << 16)),
        frames(hello()),
        frames(Request(Kind.FEED, 5, 16, 0, bytes(16)), Request(Kind.READ, 6, 28, 8 | 8 << 16)),
    ]
    found = answers(IDENTITY, pieces)
    assert found[3] == b""
    waited, greeted = decode_all(found[4])
    assert (waited.kind, waited.payload, waited.busy, greeted.kind) == (Kind.READ, b"", True, Kind.HELLO)
    assert decode_all(found[5])[0].payload == compute(bytes(20)) + ANSWER.pack(ImageStatus.GOOD, 0)
    assert found == model_answers(IDENTITY, pieces)


def test_an_answer_that_comes_while_a_read_says_busy_is_not_lost() -> None:
    pieces = [
        b"\0" + frames(Request(Kind.RESET, 3)),
        frames(Request(Kind.START, 0, 0, Order.CHECK), Request(Kind.READ, 1, 8), hello()),
        frames(Request(Kind.READ, 2, 8)),
    ]
    found = answers(IDENTITY, pieces, hold=2)
    waited = decode_all(found[1])[0]
    assert (waited.payload, waited.busy) == (b"", True)
    assert [(one.payload, one.busy) for one in decode_all(found[2])] == [(ANSWER.pack(ImageStatus.GOOD, 0), False)]


@pytest.mark.slow
@pytest.mark.parametrize("stall", [0.0, 0.5])
def test_on_a_bad_line_the_gateware_answers_as_the_model_does(stall: float) -> None:
    """Sessions with bytes lost, doubled and changed, and wrong sequence numbers. A request comes when the last one is through."""
    random = Random(int(10 * stall))
    pieces = []
    for session in range(1, 13):
        requests = [
            write(0, random.randrange(20, 62), random.randbytes(4 * random.randrange(1, 8))),
            Request(Kind.START, 1, 0, Order.CHECK),
            Request(Kind.START, 2, 0, Order.RUN),
            Request(Kind.FEED, 3, 20, 0, random.randbytes(20)),
            Request(Kind.READ, 4, 36),
            Request(Kind.PEEK, 5, 4 * random.randrange(1, 6), random.randrange(60)),
        ]
        wrong = random.randrange(12)
        if wrong < len(requests):
            requests[wrong] = replace(requests[wrong], sequence=random.randrange(256))
        pieces.append(frames(Request(Kind.RESET, session)))
        pieces += [b"\0" + spoilt(encode_request(request), 0.002, random) for request in requests]
        pieces.append(b"\0" + frames(hello(session)))
    found = answers(IDENTITY, pieces, stall=stall)
    assert found == model_answers(IDENTITY, pieces)
    kinds = [one.kind for answer in found for one in decode_all(answer)]
    assert 3 < kinds.count(Kind.PEEK) < kinds.count(Kind.HELLO) == 12 > kinds.count(Kind.READ) > 3


def spoilt(content: bytes, rate: float, random: Random) -> bytes:
    spoilt = bytearray()
    for byte in content:
        if random.random() >= rate:
            spoilt.append(byte)
        else:
            spoilt += random.choice([b"", bytes([byte, byte]), random.randbytes(1)])
    return bytes(spoilt)


def decode_all(content: bytes) -> list[Response]:
    found = []
    while content:
        taken = decode_response(content)
        assert taken is not None
        found.append(taken[0])
        content = content[taken[1] :]
    return found
