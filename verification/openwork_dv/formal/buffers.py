"""What is claimed of the buffers that pass a stream on."""

from amaranth.hdl import Value

from openwork_dv.formal.properties import Follower, Properties, transfers
from openwork_hw.stream.output_buffer import OutputBuffer
from openwork_hw.stream.short_queue import ShortQueue
from openwork_hw.stream.skid_buffer import SkidBuffer


def buffer_properties(buffer: SkidBuffer | OutputBuffer | ShortQueue, *, places: int, quiet_flush: bool) -> Properties:
    """Order, integrity, no loss, offers that stay, and a `ready` that depends on nothing but how much is inside.

    The payload's bits are independent of each other, so that those of a few stand for any width. `flush` comes whenever the
    solver likes; with `quiet_flush`, never in a cycle in which a beat enters.
    """
    properties = Properties(buffer)
    m = properties.m
    flush = properties.choose("flush")
    properties.drive(buffer.i, "i")
    properties.stall(buffer.o, "o")
    m.d.comb += buffer.flush.eq(flush)
    if quiet_flush:
        properties.assume(~(flush & transfers(buffer.i)))

    m.submodules.follower = follower = Follower(len(Value.cast(buffer.i.payload)), most=places)
    m.d.comb += [
        follower.enters.eq(transfers(buffer.i)),
        follower.i.eq(buffer.i.payload),
        follower.leaves.eq(transfers(buffer.o)),
        follower.o.eq(buffer.o.payload),
        follower.drops.eq(flush),
        follower.pick.eq(properties.choose("pick")),
    ]
    properties.claim("order_and_payload", follower.right)
    properties.claim("level", follower.inside <= places)
    properties.claim("nothing_is_lost", (follower.inside == 0) | buffer.o.valid)
    properties.claim("ready_while_there_is_room", buffer.i.ready == (follower.inside != places))
    properties.claim("offer_stays", properties.stays(buffer.o, unless=flush))
    properties.reach("full", follower.inside == places)
    properties.reach("full_and_then_empty", (follower.inside == 0) & properties.past(follower.inside == places))
    return properties
