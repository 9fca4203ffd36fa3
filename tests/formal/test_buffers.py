"""SkidBuffer, OutputBuffer and ShortQueue keep order, payloads and offers, for runs of any length."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from openwork_dv.formal.buffers import buffer_properties
from openwork_dv.formal.mutants import mutant
from openwork_dv.formal.properties import Properties
from openwork_dv.formal.prover import Prover
from openwork_hw.stream import output_buffer, short_queue, skid_buffer
from openwork_hw.stream.output_buffer import OutputBuffer
from openwork_hw.stream.short_queue import ShortQueue
from openwork_hw.stream.skid_buffer import SkidBuffer


def skid_properties(kind: type[SkidBuffer]) -> Properties:
    return buffer_properties(kind(4), places=1, quiet_flush=False)


def two_places_properties(kind: type[OutputBuffer | ShortQueue]) -> Properties:
    return buffer_properties(kind(4), places=2, quiet_flush=True)


BUFFERS: dict[ModuleType, tuple[type[Any], Callable[[Any], Properties]]] = {
    skid_buffer: (SkidBuffer, skid_properties),
    output_buffer: (OutputBuffer, two_places_properties),
    short_queue: (ShortQueue, two_places_properties),
}
"""Buffers and what is claimed of them, by the file that they are in."""


@pytest.mark.parametrize(("kind", "properties"), BUFFERS.values())
def test_buffers_keep_order_payload_and_offers(
    kind: type[Any], properties: Callable[[Any], Properties], tmp_path: Path
) -> None:
    prover = Prover(properties(kind), tmp_path)
    assert prover.counterexample(cycles=20) is None
    assert prover.unproved() == []
    assert prover.unreached(cycles=20) == []


@pytest.mark.parametrize(
    ("source", "healthy", "broken", "claim"),
    [
        (skid_buffer, "& ~self.flush", "", "order_and_payload"),
        (skid_buffer, "with m.If(~waits):", "with m.If(~self.o.ready):", "order_and_payload"),
        (skid_buffer, "self.i.ready.eq(~waits)", "self.i.ready.eq(~waits | self.o.ready)", "ready_while_there_is_room"),
        (
            output_buffer,
            "Mux(waits, waiting, self.i.payload)",
            "Mux(self.i.valid, self.i.payload, waiting)",
            "order_and_payload",
        ),
        (output_buffer, "& ~moves & ~self.flush", "& ~self.flush", "ready_while_there_is_room"),
        (output_buffer, "valid.eq(waits | self.i.valid)", "valid.eq(waits)", "nothing_is_lost"),
        (output_buffer, "~valid | self.o.ready", "self.o.ready", "nothing_is_lost"),
        (output_buffer, "& ~moves & ~self.flush", "& ~moves", "ready_while_there_is_room"),
        (output_buffer, "m.d.sync += valid.eq(0)", "m.d.sync += valid.eq(valid)", "order_and_payload"),
        (short_queue, "Mux(take, places[1], places[0])", "Mux(put, places[1], places[0])", "order_and_payload"),
        (short_queue, "(put == number) & ~full", "put == number", "order_and_payload"),
        (short_queue, "full | comes | (there & ~goes)", "comes | (there & ~goes)", "nothing_is_lost"),
        (short_queue, "there & ~goes & (full | comes)", "there & (full | comes)", "ready_while_there_is_room"),
        (
            short_queue,
            "there & ~goes & (full | comes) & ~self.flush",
            "there & ~goes & (full | comes)",
            "ready_while_there_is_room",
        ),
        (short_queue, "(there & ~goes)) & ~self.flush", "(there & ~goes))", "order_and_payload"),
    ],
)
def test_a_broken_buffer_is_found(source: ModuleType, healthy: str, broken: str, claim: str, tmp_path: Path) -> None:
    kind, properties = BUFFERS[source]
    twin = mutant(source, healthy, broken)
    found = Prover(properties(getattr(twin, kind.__name__)), tmp_path).counterexample(cycles=20)
    assert found is not None and found.claim == claim
