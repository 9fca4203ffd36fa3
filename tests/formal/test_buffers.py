"""SkidBuffer, OutputBuffer and ShortQueue keep order, payloads and offers, for runs of any length."""

from pathlib import Path

import pytest

from openwork_dv.formal.buffers import buffer_properties
from openwork_dv.formal.mutants import mutant
from openwork_dv.formal.properties import Properties
from openwork_dv.formal.prover import Prover
from openwork_hw.stream import output_buffer, short_queue, skid_buffer
from openwork_hw.stream.output_buffer import OutputBuffer
from openwork_hw.stream.short_queue import ShortQueue
from openwork_hw.stream.skid_buffer import SkidBuffer


def skid_buffer_properties(kind: type[SkidBuffer]) -> Properties:
    return buffer_properties(kind(4), places=1, quiet_flush=False)


def output_buffer_properties(kind: type[OutputBuffer]) -> Properties:
    return buffer_properties(kind(4), places=2, quiet_flush=True)


def short_queue_properties(kind: type[ShortQueue]) -> Properties:
    return buffer_properties(kind(4), places=2, quiet_flush=True)


@pytest.mark.parametrize(
    "properties",
    [skid_buffer_properties(SkidBuffer), output_buffer_properties(OutputBuffer), short_queue_properties(ShortQueue)],
    ids=["skid", "output", "short_queue"],
)
def test_buffers_keep_order_payload_and_offers(properties: Properties, tmp_path: Path) -> None:
    prover = Prover(properties, tmp_path)
    assert prover.counterexample(cycles=20) is None
    assert prover.unproved() == []
    assert prover.unreached(cycles=20) == []


@pytest.mark.parametrize(
    ("healthy", "broken", "claim"),
    [
        ("& ~self.flush", "", "order_and_payload"),
        ("with m.If(~waits):", "with m.If(~self.o.ready):", "order_and_payload"),
        ("self.i.ready.eq(~waits)", "self.i.ready.eq(~waits | self.o.ready)", "ready_while_there_is_room"),
    ],
)
def test_a_broken_skid_buffer_is_found(healthy: str, broken: str, claim: str, tmp_path: Path) -> None:
    twin = mutant(skid_buffer, healthy, broken)
    found = Prover(skid_buffer_properties(twin.SkidBuffer), tmp_path).counterexample(cycles=20)
    assert found is not None and found.claim == claim


@pytest.mark.parametrize(
    ("healthy", "broken", "claim"),
    [
        ("Mux(waits, waiting, self.i.payload)", "Mux(self.i.valid, self.i.payload, waiting)", "order_and_payload"),
        ("& ~moves & ~self.flush", "& ~self.flush", "ready_while_there_is_room"),
        ("valid.eq(waits | self.i.valid)", "valid.eq(waits)", "nothing_is_lost"),
        ("~valid | self.o.ready", "self.o.ready", "nothing_is_lost"),
        ("& ~moves & ~self.flush", "& ~moves", "ready_while_there_is_room"),
        ("m.d.sync += valid.eq(0)", "m.d.sync += valid.eq(valid)", "order_and_payload"),
    ],
)
def test_a_broken_output_buffer_is_found(healthy: str, broken: str, claim: str, tmp_path: Path) -> None:
    twin = mutant(output_buffer, healthy, broken)
    found = Prover(output_buffer_properties(twin.OutputBuffer), tmp_path).counterexample(cycles=20)
    assert found is not None and found.claim == claim


@pytest.mark.parametrize(
    ("healthy", "broken", "claim"),
    [
        ("Mux(take, places[1], places[0])", "Mux(put, places[1], places[0])", "order_and_payload"),
        ("(put == number) & ~full", "put == number", "order_and_payload"),
        ("full | comes | (there & ~goes)", "comes | (there & ~goes)", "nothing_is_lost"),
        ("there & ~goes & (full | comes)", "there & (full | comes)", "ready_while_there_is_room"),
        ("there & ~goes & (full | comes) & ~self.flush", "there & ~goes & (full | comes)", "ready_while_there_is_room"),
        ("(there & ~goes)) & ~self.flush", "(there & ~goes))", "order_and_payload"),
    ],
)
def test_a_broken_short_queue_is_found(healthy: str, broken: str, claim: str, tmp_path: Path) -> None:
    twin = mutant(short_queue, healthy, broken)
    found = Prover(short_queue_properties(twin.ShortQueue), tmp_path).counterexample(cycles=20)
    assert found is not None and found.claim == claim
