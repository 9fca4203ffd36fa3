"""A LiteX system without a processor on a ULX3S: a host at the UART writes memory and registers, DMA engines feed the array.

In an environment that holds LiteX and litex-boards, with yosys, nextpnr-ecp5 and ecppack on the PATH to build:

    openwork verilog --pes 2 --lanes 4 --encoding packed --shell axi --image-words 4096 --name openwork_axi -o build/
    python examples/litex/ulx3s.py --verilog build/openwork_axi.v --output build/ulx3s --build

The array is written with generic primitives (the default): Yosys refuses modules with instances of MULT18X18D in a design of
LiteX's. A feature word has a byte for each lane, so with lanes in fours features fill the DMA engines' words of 32 bits.
"""

import argparse
from pathlib import Path

from litex.gen import LiteXModule
from litex.soc.cores.clock import ECP5PLL
from litex.soc.cores.dma import WishboneDMAReader, WishboneDMAWriter
from litex.soc.integration.builder import Builder
from litex.soc.integration.soc import SoCRegion
from litex.soc.integration.soc_core import SoCCore
from litex.soc.interconnect import stream, wishbone
from litex_boards.platforms import radiona_ulx3s
from migen import ClockDomain
from openwork_block import OpenworkBlock

CLOCK_HZ = int(40e6)
MEMORY_BYTES = 1 << 15
"""Of the block memory that the host writes images and inputs to, and finds outputs in."""


class ClockReset(LiteXModule):
    """The system's clock, from the board's 25 MHz."""

    def __init__(self, platform):
        self.cd_sys = ClockDomain()
        self.pll = pll = ECP5PLL()
        self.comb += pll.reset.eq(platform.request("rst"))
        pll.register_clkin(platform.request("clk25"), 25e6)
        pll.create_clkout(self.cd_sys, CLOCK_HZ)
        self.comb += platform.request("wifi_gpio0").eq(1)  # keeps the board's ESP32 from resetting the FPGA


class System(SoCCore):
    """UART bridge, memory, the array, and a DMA engine for each of its streams."""

    def __init__(self, verilog, device, baud):
        platform = radiona_ulx3s.Platform(device=device, toolchain="trellis")
        self.crg = ClockReset(platform)
        SoCCore.__init__(
            self,
            platform,
            CLOCK_HZ,
            cpu_type=None,
            uart_name="uartbone",
            uart_baudrate=baud,
            with_timer=False,
            integrated_main_ram_size=MEMORY_BYTES,
            ident="Openwork",
        )
        self.openwork = openwork = OpenworkBlock(platform, str(verilog))
        self.bus.add_slave("openwork", openwork.bus, SoCRegion(origin=0x3000_0000, size=0x1000, cached=False))

        # "big" is LiteX's name for words as they are: the image's words keep their value, and features go lowest byte first.
        options = {"endianness": "big", "with_csr": True}
        self.image_dma = image = WishboneDMAReader(wishbone.Interface(), **options)
        self.features_dma = features = WishboneDMAReader(wishbone.Interface(), **options)
        self.outputs_dma = outputs = WishboneDMAWriter(wishbone.Interface(), **options)
        for name, engine in (("image", image), ("features", features), ("outputs", outputs)):
            self.bus.add_master(name, master=engine.bus)
        self.narrower = narrower = stream.Converter(32, 8)
        self.wider = wider = stream.Converter(8, 32)
        self.comb += [
            image.source.connect(openwork.image),
            features.source.connect(narrower.sink),
            narrower.source.connect(openwork.features),
            openwork.outputs.connect(wider.sink),
            wider.source.connect(outputs.sink, omit={"valid_token_count"}),
        ]


def main():
    """Make the system's Verilog, and with --build its bitstream."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--verilog", type=Path, required=True, help="what `openwork verilog --shell axi` wrote")
    parser.add_argument("--device", default="LFE5U-85F", help="part on the board (default: %(default)s)")
    parser.add_argument("--baud", type=int, default=1_000_000, help="of the UART (default: %(default)s)")
    parser.add_argument("--output", type=Path, default=Path("build"), help="folder (default: %(default)s)")
    parser.add_argument("--build", action="store_true", help="synthesize, place and route")
    arguments = parser.parse_args()
    builder = Builder(
        System(arguments.verilog.resolve(), arguments.device, arguments.baud),
        output_dir=str(arguments.output),
        csr_csv=str(arguments.output / "csr.csv"),
        compile_software=False,
    )
    builder.build(run=arguments.build)


if __name__ == "__main__":
    main()
