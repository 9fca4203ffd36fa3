"""The boards that we build for."""

from dataclasses import replace

from amaranth_boards.ecpix5 import ECPIX585Platform
from amaranth_boards.icebreaker import ICEBreakerPlatform
from amaranth_boards.tang_nano_9k import TangNano9kPlatform
from amaranth_boards.ulx3s import ULX3S_12F_Platform, ULX3S_25F_Platform, ULX3S_85F_Platform

from openwork_fpga.boards import ecp5, gowin, ice40
from openwork_fpga.boards.board import Board
from openwork_fpga.boards.chip import Chip
from openwork_fpga.boards.platforms import ColorlightI5Platform, OrangeCrabSerialPlatform, UpduinoSerialPlatform
from openwork_fpga.devices import DEVICES, Device
from openwork_fpga.families import GOWIN
from openwork_hw.arch.nonzeros import Encoding

CLOCK_MHZ = 81.25
"""What the PLLs make out of 25 MHz for small parts of speed grade 6 with an SDRAM beside them."""

UP5K_MHZ = 24
"""Twice the oscillator's; the flash memory has 40 ns for what it is asked."""


def _ecp5(base: str, part: str, package: str, speed: str, clock_mhz: float) -> Device:
    """A device of the table in another package or speed grade, with all pins given, aiming at the board's clock."""
    flags = (f"--{part}", "--package", package, "--speed", speed)
    options = DEVICES[base].options or ("--router", "router2")
    return replace(DEVICES[base], package=package, speed=speed, flags=flags, target_mhz=clock_mhz, options=options)


def _ulx3s(
    size: str,
    platform: type,
    base: str,
    preset: str,
    memory_words: int,
    result_bytes: int,
    clock_mhz: float = CLOCK_MHZ,
    sdram_phase: float = 280,
) -> Board:
    return Board(
        name=f"ulx3s-{size}f",
        title=f"ULX3S with LFE5U-{size}F",
        platform=platform,
        chip=ecp5.CHIP,
        device=_ecp5(base, f"{size}k", "CABGA381", "6", clock_mhz),
        preset=preset,
        encodings=(Encoding.PACKED,),
        clock_mhz=clock_mhz,
        baud=3_000_000,
        line="its USB socket US1",
        memory_words=memory_words,
        receive_bytes=2048,
        result_bytes=result_bytes,
        lamp="led",
        loader=("--board", "ulx3s"),
        sdram="IS42S16160G/AS4C32M16",
        sdram_phase=sdram_phase,
    )


def _up5k(
    name: str, title: str, platform: type, chip: Chip, line: str, lamp: str, cable: tuple[str, ...] = ()
) -> Board:
    """A board with an iCE40 UP5K and a flash memory of 4 MiB or more, of which the image has the second one."""
    return Board(
        name=name,
        title=f"{title}, iCE40 UP5K",
        platform=platform,
        chip=chip,
        device=replace(DEVICES["ice40up5k"], flags=("--up5k", "--package", "sg48"), target_mhz=UP5K_MHZ),
        preset="ice40-up5k-flash",
        encodings=(Encoding.CSR,),
        clock_mhz=UP5K_MHZ,
        baud=1_000_000,
        line=line,
        memory_words=1 << 18,
        receive_bytes=512,
        result_bytes=512,
        lamp=lamp,
        loader=("--board", "ice40_generic", *cable),
        flash_byte=1 << 20,
    )


BOARDS: dict[str, Board] = {
    board.name: board
    for board in (
        _ulx3s("85", ULX3S_85F_Platform, "lfe5u-85f", "ecp5-85k-sdram", 16384, 8192, clock_mhz=62.5, sdram_phase=300),
        _ulx3s("25", ULX3S_25F_Platform, "lfe5u-25f", "ecp5-25k-sdram", 4096, 2048),
        # The tools give a 12F all that is in a 25F, which is the same chip; the preset stays within the 12F's data sheet.
        _ulx3s("12", ULX3S_12F_Platform, "lfe5u-25f", "ecp5-12k-sdram", 4096, 2048),
        Board(
            name="orangecrab-85f",
            title="OrangeCrab r0.2 with LFE5U-85F",
            platform=OrangeCrabSerialPlatform,
            chip=ecp5.CHIP,
            device=_ecp5("lfe5u-85f", "85k", "CSFBGA285", "8", 112),
            preset="ecp5-85k",
            encodings=(Encoding.PACKED,),
            clock_mhz=112,  # its oscillator of 48 MHz makes no 112.5
            baud=1_000_000,
            line="an adapter on pins 0 (in) and 1 (out)",
            memory_words=16384,
            receive_bytes=2048,
            result_bytes=8192,
            lamp="rgb_led.g",
            loader=("--board", "orangeCrab"),
            pack=("--freq", "38.8"),
        ),
        Board(
            name="ecpix5-85f",
            title="ECPIX-5 with LFE5UM5G-85F",
            platform=ECPIX585Platform,
            chip=ecp5.CHIP,
            device=_ecp5("lfe5u-85f", "um5g-85k", "CABGA554", "8", 112.5),
            preset="ecp5-85k",
            encodings=(Encoding.PACKED,),
            clock_mhz=112.5,
            baud=3_000_000,
            line="its USB socket for debugging",
            memory_words=16384,
            receive_bytes=2048,
            result_bytes=8192,
            lamp="rgb_led.g",
            loader=("--board", "ecpix5"),
        ),
        Board(
            name="colorlight-i5",
            title="Colorlight i5 7.0 on its extension board",
            platform=ColorlightI5Platform,
            chip=ecp5.CHIP,
            device=_ecp5("lfe5u-25f", "25k", "CABGA381", "6", CLOCK_MHZ),
            preset="ecp5-25k-sdram",
            encodings=(Encoding.PACKED,),
            clock_mhz=CLOCK_MHZ,
            baud=115_200,
            line="the extension board's USB socket",
            memory_words=4096,
            receive_bytes=2048,
            result_bytes=2048,
            lamp="led",
            loader=("--board", "colorlight-i5"),
            # Or an M12L64322A, which is a little faster.
            sdram="EM638325",
            sdram_phase=280,
        ),
        Board(
            name="tang-nano-9k",
            title="Tang Nano 9K with GW1NR-9C",
            platform=TangNano9kPlatform,
            chip=gowin.CHIP,
            device=Device(
                name="gw1nr-9c",
                family=GOWIN,
                package="QN88P",
                speed="C6/I5",
                preset="gw1nr-9",
                flags=("--device", "GW1NR-LV9QN88PC6/I5", "--vopt", "family=GW1N-9C"),
                target_mhz=27,
            ),
            preset="gw1nr-9",
            encodings=(Encoding.CSR,),
            clock_mhz=27,
            baud=115_200,
            line="its USB socket",
            memory_words=4096,
            receive_bytes=512,
            result_bytes=1024,
            lamp="led",
            loader=("--board", "tangnano9k"),
            pack=("-d", "GW1N-9C"),
        ),
        _up5k(
            "icebreaker",
            "iCEBreaker",
            ICEBreakerPlatform,
            ice40.CHIP,
            "its USB socket; the second of its two ports",
            "led_g",
        ),
        _up5k(
            "upduino",
            "UPduino 3 with jumper OSC closed",
            UpduinoSerialPlatform,
            ice40.CHIP_OTHER_PIN,
            "an adapter on pins 28 (in) and 38 (out)",
            "rgb_led.g",
            ("--cable", "ft232"),
        ),
    )
}
"""Boards by name."""
