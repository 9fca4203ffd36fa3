"""The frames of the link: decode undoes encode, and nothing that is damaged passes."""

from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from openwork_hw.arch.config import PRESETS, ArrayConfig
from openwork_hw.arch.link import (
    CARRYING,
    LINK_VERSION,
    Identity,
    Kind,
    LinkError,
    Order,
    Request,
    Response,
    decode_identity,
    decode_request,
    decode_response,
    encode_identity,
    encode_request,
    encode_response,
    stuff,
    unstuff,
)
from openwork_hw.arch.nonzeros import Encoding
from openwork_hw.image.run_control import Request as RunnerRequest


@st.composite
def requests(draw: st.DrawFn) -> Request:
    """Requests of every kind; those that carry a payload say how long it is."""
    kind = draw(st.sampled_from(Kind))
    payload = draw(st.binary(max_size=600)) if kind in CARRYING else b""
    length = len(payload) if kind in CARRYING else draw(st.integers(0, 65535))
    return Request(kind, draw(st.integers(0, 255)), length, draw(st.integers(0, 2**32 - 1)), payload)


REQUESTS = requests()
RESPONSES = st.builds(
    Response,
    st.integers(0, 255),
    st.integers(0, 255),
    st.sampled_from(Kind),
    st.booleans(),
    st.integers(0, 65535),
    st.binary(max_size=600),
)


@given(st.lists(st.sampled_from([b"\0", b"\1", bytes(253), b"\1" * 253, b"\1" * 254, b"\2" * 255])).map(b"".join))
def test_stuffed_bytes_hold_no_zero_and_few_more(content: bytes) -> None:
    stuffed = stuff(content)
    assert stuffed.index(0) == len(stuffed) - 1
    assert unstuff(stuffed[:-1]) == content
    assert len(stuffed) <= len(content) + 2 + len(content) // 254


@given(REQUESTS)
def test_requests(request: Request) -> None:
    assert decode_request(encode_request(request)[:-1]) == request


@given(REQUESTS, st.integers(-8, 8).filter(bool))
def test_a_payload_of_another_length_is_damage(request: Request, more: int) -> None:
    wrong = replace(request, length=request.length + more, payload=request.payload or b"payload")
    assume(0 <= wrong.length < 65536 and not (wrong.kind in CARRYING and len(wrong.payload) == wrong.length))
    stuffed = encode_request(wrong)[:-1]
    with pytest.raises(LinkError, match=r"says that it carries \d+ bytes, and carries \d+"):
        decode_request(stuffed)
    assert decode_request(stuffed, exact=False) == wrong


@given(RESPONSES, st.binary(max_size=20))
def test_responses(response: Response, behind: bytes) -> None:
    content = encode_response(response)
    assert decode_response(content + behind) == (response, len(content))
    assert decode_response(content[:-1]) is None


@given(REQUESTS, st.data())
def test_a_damaged_request_is_refused(request: Request, data: st.DataObject) -> None:
    content = bytearray(encode_request(request)[:-1])
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(LinkError):
        decode_request(bytes(content))


@given(RESPONSES, st.data())
def test_a_damaged_response_is_refused(response: Response, data: st.DataObject) -> None:
    content = bytearray(encode_response(response))
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    with suppress(LinkError):
        assert decode_response(bytes(content)) is None  # its length is damaged: it seems to go on


@pytest.mark.parametrize("config", [*PRESETS.values(), ArrayConfig(12, 3, group_sizes=(4, 12), feature_words=65536)])
def test_an_identity_tells_all_sizes(config: ArrayConfig) -> None:
    identity = Identity(config, (Encoding.CSR, Encoding.PACKED), 1 << 20, 512, 1024, 96_000_000, True, False, True)
    found = decode_identity(encode_identity(identity))
    assert found.config.fingerprint == config.fingerprint
    assert str(found) == str(identity).replace(repr(config.technology), repr(found.config.technology))


def test_identities_that_mean_nothing_are_refused() -> None:
    content = encode_identity(Identity(PRESETS["demo"], (Encoding.CSR,), 1024, 512, 512, 1_000_000))
    with pytest.raises(LinkError, match=f"version 7 of the link, and this program version {LINK_VERSION}"):
        decode_identity(b"\7" + content[1:])
    with pytest.raises(LinkError, match="has sizes that this program does not know"):
        decode_identity(content[:1] + b"\0\0\0\0" + content[5:])
    for end in range(5, len(content)):
        with pytest.raises(LinkError, match="describes no array"):
            decode_identity(content[:end])


def test_orders_are_the_runners_requests() -> None:
    assert all(RunnerRequest(order.value).name == order.name for order in Order)
