"""Brings the bytes and reports of the last PE back to the sequencer."""

from amaranth.hdl import Cat, Elaboratable, Module, Signal, Value, signed
from amaranth.lib import data, fifo, stream, wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.timing import BACK_HOPS, promised_bytes
from openwork_hw.array.payloads import StreamFault
from openwork_hw.stream.output_buffer import OutputBuffer


def queue_bytes(config: ArrayConfig) -> int:
    """Bytes that a queue must hold: what was asked for and has not been taken, since the chain cannot wait."""
    return 1 << (promised_bytes(config) + 2 * config.lanes - 1).bit_length()


class ReturnPath(wiring.Component):
    """Carry the link of the last PE over some registers, and queue the bytes that the chain emits.

    Role
        Part of the `Sequencer`, which may be far away from the last PE.
    Function
        `o` gives the bytes in order. `done` and `fault` are those of the chain, BACK_HOPS cycles late.
    Ports
        i_byte, i_byte_valid, i_done, i_fault : in; of the last PE's Link
        flushed : in; the chain is in order after a reset; earlier bytes are dropped
        o : out, stream of signed 8
        done : out; fault : out, StreamFault(config)
    Timing
        BACK_HOPS cycles, and three more for a byte through the queue. No combinational path; in a compact array, where nothing is
        far away, fault is i_fault.
    Cost
        A queue of queue_bytes(config).
    Limits
        The component that asks for bytes counts them: at most queue_bytes(config) bytes may be on their way or waiting.
    """

    i_byte: Value
    i_byte_valid: Value
    i_done: Value
    i_fault: data.View
    flushed: Value
    o: stream.Interface
    done: Value
    fault: data.View

    def __init__(self, config: ArrayConfig) -> None:
        self._config = config
        super().__init__(
            {
                "i_byte": In(signed(8)),
                "i_byte_valid": In(1),
                "i_done": In(1),
                "i_fault": In(StreamFault(config)),
                "flushed": In(1),
                "o": Out(stream.Signature(signed(8))),
                "done": Out(1),
                "fault": Out(StreamFault(config)),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        done, byte_valid = Signal(BACK_HOPS), Signal(BACK_HOPS)
        bytes_back = [self.i_byte]
        faults = [self.i_fault]
        for hop in range(BACK_HOPS):
            bytes_back.append(Signal(signed(8), name=f"byte_{hop}", reset_less=True))
            m.d.sync += bytes_back[-1].eq(bytes_back[-2])
            if not self._config.compact:
                faults.append(Signal(StreamFault(self._config), name=f"fault_{hop}", reset_less=True))
                m.d.sync += faults[-1].eq(faults[-2])
        m.d.sync += [done.eq(Cat(self.i_done, done)), byte_valid.eq(Cat(self.i_byte_valid, byte_valid))]
        m.submodules.queue = queue = fifo.SyncFIFOBuffered(width=8, depth=queue_bytes(self._config))
        m.submodules.came = came = OutputBuffer(signed(8))
        wiring.connect(m, came.o, wiring.flipped(self.o))
        m.d.comb += [
            self.done.eq(done[-1]),
            self.fault.eq(faults[-1]),
            queue.w_data.eq(bytes_back[-1]),
            queue.w_en.eq(byte_valid[-1] & self.flushed),
            came.i.payload.eq(queue.r_data),
            came.i.valid.eq(queue.r_rdy),
            came.flush.eq(~self.flushed),
            queue.r_en.eq(came.i.ready),
        ]
        return m
