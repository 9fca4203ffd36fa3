"""The bus shell as a LiteX core: registers on the system's bus, streams for its DMA engines, an interrupt."""

from litex.gen import LiteXModule
from litex.soc.interconnect import axi, stream
from litex.soc.interconnect.csr_eventmanager import EventManager, EventSourceLevel
from migen import ClockSignal, Instance, ResetSignal


class OpenworkBlock(LiteXModule):
    """Wrap what `openwork verilog --shell axi --name openwork_axi` writes.

    Attributes:
        bus: AXI-Lite slave with the registers of docs/registers.md; give it 4 KiB.
        image: stream in, 32 bits; an image a packet.
        features: stream in, 8 bits; what the LOAD commands take.
        outputs: stream out, 8 bits; the features of a run a packet.
        ev: event `block`, as long as the block's interrupt is high.
    """

    def __init__(self, platform, verilog):
        self.bus = bus = axi.AXILiteInterface(data_width=32, address_width=32)
        self.image = stream.Endpoint([("data", 32)])
        self.features = stream.Endpoint([("data", 8)])
        self.outputs = stream.Endpoint([("data", 8)])
        self.ev = EventManager()
        self.ev.block = EventSourceLevel()
        self.ev.finalize()

        self.specials += Instance(
            "openwork_axi",
            i_aclk=ClockSignal("sys"),
            i_aresetn=~ResetSignal("sys"),
            i_s_axi_awaddr=bus.aw.addr[:12],
            i_s_axi_awprot=bus.aw.prot,
            i_s_axi_awvalid=bus.aw.valid,
            o_s_axi_awready=bus.aw.ready,
            i_s_axi_wdata=bus.w.data,
            i_s_axi_wstrb=bus.w.strb,
            i_s_axi_wvalid=bus.w.valid,
            o_s_axi_wready=bus.w.ready,
            o_s_axi_bresp=bus.b.resp,
            o_s_axi_bvalid=bus.b.valid,
            i_s_axi_bready=bus.b.ready,
            i_s_axi_araddr=bus.ar.addr[:12],
            i_s_axi_arprot=bus.ar.prot,
            i_s_axi_arvalid=bus.ar.valid,
            o_s_axi_arready=bus.ar.ready,
            o_s_axi_rdata=bus.r.data,
            o_s_axi_rresp=bus.r.resp,
            o_s_axi_rvalid=bus.r.valid,
            i_s_axi_rready=bus.r.ready,
            i_s_axis_image_tdata=self.image.data,
            i_s_axis_image_tlast=self.image.last,
            i_s_axis_image_tvalid=self.image.valid,
            o_s_axis_image_tready=self.image.ready,
            i_s_axis_features_tdata=self.features.data,
            i_s_axis_features_tvalid=self.features.valid,
            o_s_axis_features_tready=self.features.ready,
            o_m_axis_features_tdata=self.outputs.data,
            o_m_axis_features_tlast=self.outputs.last,
            o_m_axis_features_tvalid=self.outputs.valid,
            i_m_axis_features_tready=self.outputs.ready,
            o_interrupt=self.ev.block.trigger,
        )
        platform.add_source(verilog)
