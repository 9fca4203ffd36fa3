"""Pins that amaranth-boards does not have: a whole board, and serial lines on headers."""

from amaranth.build import Attrs, Clock, Pins, Resource
from amaranth.vendor import LatticeECP5Platform
from amaranth_boards.orangecrab_r0_2 import OrangeCrabR0_2_85FPlatform
from amaranth_boards.resources import SDRAMResource, UARTResource
from amaranth_boards.upduino_v3 import UpduinoV3Platform

_LVCMOS33 = Attrs(IO_TYPE="LVCMOS33")


class ColorlightI5Platform(LatticeECP5Platform):
    """The Colorlight i5 on its extension board, as github.com/wuxx/Colorlight-FPGA-Projects documents version 7.0."""

    device = "LFE5U-25F"
    package = "BG381"
    speed = "6"
    default_clk = "clk25"
    resources = (
        Resource("clk25", 0, Pins("P3", dir="i"), Clock(25e6), _LVCMOS33),
        UARTResource(0, rx="H18", tx="J17", attrs=_LVCMOS33),
        Resource("led", 0, Pins("U16", dir="o"), _LVCMOS33),
        # Its clock enable is tied high, its chip select and data masks low.
        SDRAMResource(
            0,
            clk="B9",
            ras_n="B10",
            cas_n="A9",
            we_n="A10",
            ba="B11 C8",
            a="B13 C14 A16 A17 B16 B15 A14 A13 A12 A11 B12",
            dq=(
                "D15 E14 E13 D12 E12 D11 C10 B17 B8 A8 C7 A7 A6 B6 A5 B5 "
                "D5 C5 D6 C6 E7 D7 E8 D8 E9 D9 E11 C11 C12 D13 D14 C15"
            ),
            attrs=Attrs(PULLMODE="NONE", DRIVE="8", SLEWRATE="FAST", IO_TYPE="LVCMOS33"),
        ),
    )
    connectors = ()


class UpduinoSerialPlatform(UpduinoV3Platform):
    """An UPduino 3 with its jumper OSC closed, and a serial line on two pins of its header: 28 receives, 38 sends."""

    default_clk = "clk12"
    resources = (
        *UpduinoV3Platform.resources,
        UARTResource(0, rx="28", tx="38", attrs=Attrs(IO_STANDARD="SB_LVCMOS")),
    )


class OrangeCrabSerialPlatform(OrangeCrabR0_2_85FPlatform):
    """An OrangeCrab with a serial line on the pins of its Feather header that are one by convention: 0 receives, 1 sends."""

    resources = (
        *OrangeCrabR0_2_85FPlatform.resources,
        UARTResource(0, rx="0", tx="1", conn=("io", 0), attrs=_LVCMOS33),
    )
