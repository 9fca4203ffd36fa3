"""The ports between a shell and its image memory. Any memory with these ports can take the place of another.

A memory is a component with these ports:

    i_requests : in, streams of word addresses, one per reader
    o_words : out, streams of words, one per reader: the answers to its requests, in order, after any time.
        A reader takes a word in the cycle in which it is offered, because it asks for no more words than it has room for
    i_writes : in, stream of WordWrite; a memory that cannot be written takes them and drops them
    forget : in, 1; while it is high, for 16 cycles at least, requests without an answer are dropped. The stored words stay

(They are single ports of the component and not an interface, because Amaranth cannot connect arrays inside a flipped interface.)
"""

from typing import Any

from amaranth.hdl import Module
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.arch.config import WORD_BITS, ArrayConfig
from openwork_hw.image.memory_reader import ADDRESS_BITS
from openwork_hw.stream.short_queue import ShortQueue

WordWrite = data.StructLayout({"address": ADDRESS_BITS, "word": WORD_BITS})
"""A word for the image memory."""


def memory_readers(config: ArrayConfig, *, peek: bool) -> int:
    """Readers of a shell's memory: those of its ImageRunner, in its order, then the link's own where it has one."""
    return 1 + 2 * len(config.feeders) + peek


def memory_ports(readers: int) -> dict[str, Any]:
    """The ports of a memory, for its signature."""
    return {
        "i_requests": In(stream.Signature(ADDRESS_BITS)).array(readers),
        "o_words": Out(stream.Signature(WORD_BITS)).array(readers),
        "i_writes": In(stream.Signature(WordWrite)),
        "forget": In(1),
    }


def shell_memory_ports(readers: int) -> dict[str, Any]:
    """The ports of a shell for its memory."""
    return {
        "o_memory_requests": Out(stream.Signature(ADDRESS_BITS)).array(readers),
        "i_memory_words": In(stream.Signature(WORD_BITS)).array(readers),
        "o_memory_writes": Out(stream.Signature(WordWrite)),
        "memory_forget": Out(1),
    }


def connect_external_memory(m: Module, runner: Any, memory: Any) -> None:
    """Join an ExternalRunner and the memory that its image and its maps are in; the host's own ports are left open."""
    wiring.connect(m, runner.o_starts, memory.i_starts)
    wiring.connect(m, memory.o, runner.i_words)
    wiring.connect(m, runner.o_map_requests, memory.i_map_requests)
    wiring.connect(m, runner.o_map_words, memory.i_map_words)
    wiring.connect(m, memory.o_map_words, runner.i_map_words)
    m.d.comb += [runner.map_idle.eq(memory.map_idle), memory.map_drop.eq(runner.map_drop)]


def connect_memory(m: Module, shell: Any, memory: Any) -> None:
    """Join a shell and its memory.

    Requests go through queues, one cycle each: the way from a reader to the memory's turns and back to the reader's next address
    was the longest of a whole board.
    """
    for reader, (asks, takes) in enumerate(zip(shell.o_memory_requests, memory.i_requests, strict=True)):
        m.submodules[f"requests_{reader}"] = queue = ShortQueue(ADDRESS_BITS)
        wiring.connect(m, asks, queue.i)
        wiring.connect(m, queue.o, takes)
        m.d.comb += queue.flush.eq(shell.memory_forget)
    for gives, takes in zip(memory.o_words, shell.i_memory_words, strict=True):
        wiring.connect(m, gives, takes)
    wiring.connect(m, shell.o_memory_writes, memory.i_writes)
    m.d.comb += memory.forget.eq(shell.memory_forget)
