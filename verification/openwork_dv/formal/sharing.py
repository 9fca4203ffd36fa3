"""What is claimed of the memory that many readers share."""

from amaranth.hdl import Cat, Mux, Signal

from openwork_dv.formal.properties import Properties, transfers
from openwork_hw.arch.config import WORD_BITS, bits_for
from openwork_hw.shells.image_memory import ImageMemory


def image_memory_properties(memory: ImageMemory, *, readers: int, words: int) -> Properties:
    """One request a cycle, none lost, none waits for long, and each answer is that reader's word.

    The word at one address, whichever the solver picks, is followed from write to write; it begins as 0. A reader that does not
    get its turn in this round of `readers` gets it in the next.
    """
    properties = Properties(memory)
    m = properties.m
    address_bits = bits_for(words)
    properties.drive(memory.i_writes, "writes")
    m.d.comb += memory.forget.eq(properties.choose("forget"))
    for number, requests in enumerate(memory.i_requests):
        properties.drive(requests, f"requests_{number}")
        m.d.comb += memory.o_words[number].ready.eq(1)

    picked = properties.choose_once("picked", address_bits)
    content = Signal(WORD_BITS)
    written = transfers(memory.i_writes) & (memory.i_writes.payload.address[:address_bits] == picked)
    m.d.sync += content.eq(Mux(written, memory.i_writes.payload.word, content))

    # An answer is what was written up to the cycle after its request, and perhaps in the one after that.
    new = content
    for _ in range(3):
        new = properties.past(new)
    old = properties.past(new)

    taken = Signal(readers)
    m.d.comb += taken.eq(Cat(transfers(requests) for requests in memory.i_requests))
    asking = Cat(requests.valid for requests in memory.i_requests)
    properties.claim("one_at_a_time", (taken & (taken - 1)[:readers]) == 0)
    properties.claim("none_idles_while_one_asks", ~asking.any() | taken.any())
    for number, (requests, answers) in enumerate(zip(memory.i_requests, memory.o_words, strict=True)):
        waits = Signal(range(2 * readers), name=f"waits_{number}")
        m.d.sync += waits.eq(Mux(requests.valid & ~requests.ready, waits + 1, 0))
        properties.claim(f"turn_of_{number}", waits < 2 * readers - 1)

        # What was taken comes back, and nothing else, unless it was forgotten on its way.
        coming, of_picked = taken[number], requests.payload[:address_bits] == picked
        for _ in range(memory.latency_cycles):
            coming, of_picked = properties.past(coming & ~memory.forget), properties.past(of_picked)
        properties.claim(f"answer_of_{number}", answers.valid == coming)
        answer = ~(answers.payload ^ old) | (old ^ new) | (~(coming & of_picked)).replicate(WORD_BITS)
        properties.claim(f"word_of_{number}", answer)
    properties.reach("last_waits_for_all_others_twice", waits == 2 * readers - 2)
    return properties
