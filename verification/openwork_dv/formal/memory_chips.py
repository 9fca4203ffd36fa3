"""What is claimed of the SDRAM controller, for every sequence of requests and words."""

from amaranth.hdl import Mux, Signal

from openwork_dv.formal.properties import Properties, transfers
from openwork_dv.sdram.checker import SdramChecker
from openwork_dv.sdram.violations import VIOLATIONS
from openwork_hw.arch.sdram import Command, SdramConfig
from openwork_hw.memory.sdram_controller import SdramController


def controller_properties(controller: SdramController, config: SdramConfig) -> Properties:
    """No rule of the data sheet is broken, refreshes are in time, and every request is answered within a bound.

    Requests and words are whatever the solver likes, offered when it likes, and so is `restart`; the chip's checker watches the
    pins.
    """
    properties = Properties(controller)
    m = properties.m
    properties.drive(controller.i_requests, "requests")
    properties.drive(controller.i_words, "words")
    m.d.comb += [
        controller.restart.eq(properties.choose("restart")),
        controller.pins.dq_i.eq(properties.choose("dq_i", config.chip.data_bits)),
        controller.o_words.ready.eq(1),
    ]
    m.submodules.checker = checker = SdramChecker(config)
    for name in ("cke", "cs_n", "ras_n", "cas_n", "we_n", "ba", "a", "dqm", "dq_o", "dq_oe"):
        m.d.comb += getattr(checker.pins, name).eq(getattr(controller.pins, name))
    for place, name in enumerate(VIOLATIONS):
        if name != "retention":
            properties.claim(name, ~checker.violations[place])

    # A bucket that fills by one per cycle, and that each refresh empties by an interval: what it holds at most is what a window
    # of any length can lack.
    refreshes = checker.command == Command.REFRESH
    interval, delay = config.refresh_interval, config.refresh_delay
    bucket = Signal(range(2 * interval + delay + 2))
    less = Mux(bucket > interval, bucket - interval, 0)
    most = interval + delay
    m.d.sync += bucket.eq(Mux(~checker.ready, 0, Mux(refreshes, less + 1, Mux(bucket > most, bucket, bucket + 1))))
    properties.claim("refresh_in_time", bucket <= most)
    since = Signal(range(most + 2))
    m.d.sync += since.eq(Mux(refreshes | ~checker.ready, 0, Mux(since > most, since, since + 1)))
    properties.claim("no_long_gap", since <= most)

    # A request that is offered, with its words there, is taken within a burst and a refresh.
    request = controller.i_requests
    bound = config.refresh_delay + config.trfc
    waited = Signal(range(bound + 2))
    asks = request.valid & checker.ready & (controller.i_words.valid | ~request.payload.write)
    m.d.sync += waited.eq(Mux(asks & ~request.ready, Mux(waited > bound, waited, waited + 1), 0))
    properties.claim("answer", waited <= bound)
    properties.reach("write", transfers(request) & request.payload.write)
    properties.reach("read", transfers(request) & ~request.payload.write)
    return properties
