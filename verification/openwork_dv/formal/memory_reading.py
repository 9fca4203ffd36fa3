"""What is claimed of the readers of the image memory."""

from amaranth.hdl import Cat, Const, Mux, Signal

from openwork_dv.formal.properties import Follower, Properties, transfers
from openwork_hw.image.memory_reader import ADDRESS_BITS, MemoryReader, Region


def memory_reader_properties(reader: MemoryReader, *, ahead: int, address_bits: int, word_bits: int) -> Properties:
    """It asks for the words of each region once, in order, and for no other; every answer leaves, in order.

    The memory may answer as late as it likes, from the cycle of the request on, but answers only what was asked. A region begins
    as soon as all words of the one before have come. A `clear` may come at any time and lasts until `idle`: nothing that was asked
    for before it leaves after it.
    """
    properties = Properties(reader)
    m = properties.m
    region_address = Cat(properties.choose("region_address", address_bits), Const(0, ADDRESS_BITS - address_bits))
    region = Cat(region_address, properties.choose("region_words", word_bits))
    properties.drive(reader.i_regions, "region", region)
    properties.assume(reader.i_regions.payload.words != 0)
    # A clear ends only where the reader is idle, and no region comes while it lasts.
    clears, cleared, last_idle = properties.choose("clears"), Signal(), Signal()
    m.d.comb += reader.clear.eq(clears | (cleared & ~last_idle))
    m.d.sync += [cleared.eq(reader.clear), last_idle.eq(reader.idle)]
    properties.assume(~reader.clear | ~reader.i_regions.valid)
    properties.stall(reader.o_requests, "requests")
    properties.stall(reader.o, "o")
    word, answers, asks = properties.choose("word", len(reader.i_words.payload)), Signal(), Signal()
    on_the_way = Signal(range(2 * ahead))
    m.d.comb += [
        asks.eq(transfers(reader.o_requests)),
        answers.eq(properties.choose("answer") & ((on_the_way != 0) | asks)),
        reader.i_words.payload.eq(word),
        reader.i_words.valid.eq(answers),
    ]
    m.d.sync += on_the_way.eq(on_the_way + asks - answers)

    waits, waiting = Signal(), Signal(Region)
    address, to_ask, to_come = (Signal(address_bits, name=name) for name in ("address", "to_ask", "to_come"))
    begins = Signal()
    m.d.comb += begins.eq(waits & (to_come == 0))
    m.d.sync += waits.eq(Mux(waits, ~begins, reader.i_regions.valid))
    with m.If(~waits):
        m.d.sync += waiting.eq(reader.i_regions.payload)
    with m.If(begins):
        m.d.sync += [address.eq(waiting.address), to_ask.eq(waiting.words), to_come.eq(waiting.words)]
    with m.Else():
        m.d.sync += [address.eq(address + asks), to_ask.eq(to_ask - asks), to_come.eq(to_come - answers)]

    with m.If(reader.clear):
        m.d.sync += [waits.eq(0), to_come.eq(0)]
        with m.If(~reader.o_requests.valid | reader.o_requests.ready):
            m.d.sync += to_ask.eq(0)

    m.submodules.follower = follower = Follower(len(word) + 1, most=ahead)
    m.d.comb += [
        follower.enters.eq(answers),
        follower.i.eq(Cat(word, to_come == 1)),
        follower.leaves.eq(transfers(reader.o) & ~reader.clear),
        follower.drops.eq(reader.clear),
        follower.o.eq(reader.o.payload),
        follower.pick.eq(properties.choose("pick")),
    ]
    asked = follower.inside + on_the_way
    properties.claim("asks_within_the_region", ~reader.o_requests.valid | (to_ask != 0))
    properties.claim("asks_in_order", ~reader.o_requests.valid | (reader.o_requests.payload == address))
    asks_in_time = reader.o_requests.valid == ((to_ask != 0) & (asked < ahead))
    properties.claim("asks_while_there_is_room", reader.clear | asks_in_time)
    # Together with `asks_in_order`: an offered address stays, since `address` moves on only with a transfer or a new region.
    waited = properties.past(reader.o_requests.valid & ~reader.o_requests.ready)
    properties.claim("request_stays", ~waited | reader.o_requests.valid)
    properties.claim("no_region_begins_before_all_is_asked", ~begins | ~reader.o_requests.valid)
    properties.claim("region_is_taken_when_none_waits", reader.i_regions.ready == ~waits)
    properties.claim("answers_are_taken", reader.i_words.ready)
    properties.claim("no_more_than_there_is_room_for", asked <= ahead)
    properties.claim("order_and_payload", follower.right)
    # A word that came in the cycle before is not offered yet where none waits before it.
    is_offered = (follower.inside == properties.past(answers)) | reader.o.valid
    properties.claim("nothing_is_lost", reader.clear | cleared | is_offered)
    properties.claim("offer_stays", properties.stays(reader.o, unless=reader.clear))
    nothing_left = ~reader.o.valid & ~reader.o_requests.valid & (on_the_way == 0)
    properties.claim("idle_leaves_nothing", ~reader.idle | nothing_left)
    properties.reach("full", follower.inside == ahead)
    properties.reach("all_on_the_way", on_the_way == ahead)
    properties.reach("cleared_on_the_way", reader.clear & (on_the_way == ahead))
    properties.reach("idle_after_a_clear", cleared & ~reader.clear & properties.past(on_the_way == 0))
    properties.reach("second_region_ends", transfers(reader.o) & reader.o.payload.last & (address == 5))
    return properties
