"""Moves maps between an external memory and the array while passes run."""

from amaranth.hdl import Elaboratable, Module, Mux, Signal, Value, signed
from amaranth.lib import data, fifo, stream, wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.timing import MAP_ORDERS, landed_cycles
from openwork_hw.array.payloads import MapBeat, MapOp
from openwork_hw.sequencing.payloads import MapOrder
from openwork_hw.sequencing.return_path import queue_bytes


class MapEngine(wiring.Component):
    """Carry out orders one after the other: bytes of a map into feature memories, or words of a PE out of its memory.

    Role
        Part of the `Sequencer`, which hands it the LOAD and STORE commands of maps in an external memory and goes on with the next
        command.
    Function
        An order that does not store takes words x lanes bytes of i_bytes, and sends each as a BYTE to the PEs that left and step
        name. An order that stores asks the PE `left` for its words, and gives the bytes that come back.
    Ports
        i : in, stream of MapOrder(config)
        i_bytes : in, stream of signed 8, lane 0 of a word first; from the external memory
        i_back : in, stream of signed 8; bytes that came back from the chain
        o_bytes : out, stream of signed 8; to the external memory
        o_beat : out, MapBeat(config); to the first PE
        storing : out; bytes that come back are for this component
        busy : out; an order is not over
        moves : out; a byte moves
    Timing
        A byte per cycle goes into the array. A word is asked for every config.row_spacing cycles. `busy` falls when the last byte
        of a LOAD has landed, or the last byte of a STORE has left. No combinational path but between the two streams of bytes.
    Cost
        A queue of MAP_ORDERS orders, counters.
    Limits
        Nothing else asks the chain for bytes while `storing`.
    Verified by
        tests/openwork_hw/sequencing/test_map_engine.py::test_maps_go_where_they_should
    """

    i: stream.Interface
    i_bytes: stream.Interface
    i_back: stream.Interface
    o_bytes: stream.Interface
    o_beat: data.View
    storing: Value
    busy: Value
    moves: Value

    def __init__(self, config: ArrayConfig) -> None:
        self._config = config
        super().__init__(
            {
                "i": In(stream.Signature(MapOrder(config))),
                "i_bytes": In(stream.Signature(signed(8))),
                "i_back": In(stream.Signature(signed(8))),
                "o_bytes": Out(stream.Signature(signed(8))),
                "o_beat": Out(MapBeat(config)),
                "storing": Out(1),
                "busy": Out(1),
                "moves": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        config = self._config
        layout = MapOrder(config)
        m.submodules.orders = orders = fifo.SyncFIFOBuffered(width=layout.size, depth=MAP_ORDERS)
        left = Signal(range(MAP_ORDERS + 1))  # orders that are not over
        over = Signal()
        m.d.comb += [
            orders.w_data.eq(self.i.payload),
            orders.w_en.eq(self.i.valid),
            self.i.ready.eq(orders.w_rdy),
        ]
        m.d.sync += left.eq(left + (self.i.valid & self.i.ready) - over)

        order = Signal(layout, reset_less=True)
        more, last_word = Signal(), Signal()  # order.words is not 0; it is 1
        last_lane, lane = Signal(), Signal(range(config.lanes), reset_less=True)
        landing = Signal(range(landed_cycles(config) + 1))  # cycles until the latest byte has landed
        landed = Signal(init=1)
        loading, storing = Signal(), Signal()
        wait = Signal(range(config.row_spacing))
        rested, room, asks = Signal(), Signal(), Signal()
        promised = Signal(range(queue_bytes(config) + 1))  # bytes that were asked for and have not been given
        comes, goes = Signal(), Signal()
        word_done = Signal()
        m.d.comb += [
            self.storing.eq(storing),
            self.busy.eq((left != 0) | ~landed),
            self.i_bytes.ready.eq(loading),
            comes.eq(loading & self.i_bytes.valid),
            self.o_bytes.payload.eq(self.i_back.payload),
            self.o_bytes.valid.eq(storing & self.i_back.valid),
            self.i_back.ready.eq(self.o_bytes.ready),
            goes.eq(self.o_bytes.valid & self.o_bytes.ready),
            self.moves.eq(comes | goes),
            word_done.eq((comes & last_lane) | asks),
        ]
        with m.If(word_done):
            m.d.sync += [
                order.words.eq(order.words - 1),
                order.address.eq(order.address + 1),
                more.eq(~last_word),
                last_word.eq(order.words == 2),
            ]
        m.d.sync += landed.eq((landing == 0) & ~comes)
        with m.If(comes):
            m.d.sync += [lane.eq(Mux(last_lane, 0, lane + 1)), landing.eq(landed_cycles(config))]
        with m.Elif(landing != 0):
            m.d.sync += landing.eq(landing - 1)
        m.d.comb += last_lane.eq(lane == config.lanes - 1)
        # Two words of room: the register is a cycle late, and words are asked for further apart than that.
        m.d.sync += [
            promised.eq(promised + Mux(asks, config.lanes, 0) - goes),
            room.eq(promised <= queue_bytes(config) - 2 * config.lanes),
            rested.eq(wait <= 1),
        ]
        m.d.comb += asks.eq(storing & more & room & rested)
        with m.If(asks):
            m.d.sync += [wait.eq(config.row_spacing - 1), rested.eq(0), room.eq(0)]
        with m.Elif(wait != 0):
            m.d.sync += wait.eq(wait - 1)

        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += orders.r_en.eq(1)
                m.d.sync += [order.eq(orders.r_data), lane.eq(0)]
                with m.If(orders.r_rdy):
                    m.next = "BEGIN"
            with m.State("BEGIN"):
                m.d.sync += [more.eq(1), last_word.eq(order.words == 1)]
                with m.If(~order.store):
                    m.d.sync += loading.eq(1)
                    m.next = "MOVE"
                with m.Elif(landed):  # what a LOAD before it brought has been written
                    m.d.sync += storing.eq(1)
                    m.next = "MOVE"
            with m.State("MOVE"):
                with m.If(loading & comes & last_lane & last_word):
                    m.d.comb += over.eq(1)
                    m.d.sync += loading.eq(0)
                    m.next = "IDLE"
                with m.If(storing & ~more & (promised == 0)):
                    m.d.comb += over.eq(1)
                    m.d.sync += storing.eq(0)
                    m.next = "IDLE"

        beat = Signal(MapBeat(config), reset_less=True)
        op = Signal(MapOp)
        m.d.sync += [
            op.eq(Mux(comes, MapOp.BYTE, Mux(asks, MapOp.ASK, MapOp.NONE))),
            beat.left.eq(order.left),
            beat.step.eq(order.step),
            beat.address.eq(order.address),
            beat.byte.eq(self.i_bytes.payload),
            beat.last.eq(last_lane),
        ]
        m.d.comb += [self.o_beat.eq(beat), self.o_beat.op.eq(op)]
        return m
