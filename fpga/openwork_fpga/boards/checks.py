"""What must hold of a placed and routed board before its bitstream is made."""

from typing import Any

REGISTERS = ("TRELLIS_FF", "SB_DFF")
BUFFERS = ("TRELLIS_IO", "SB_IO", "IB", "OB")
CLOCKS = ("EHXPLLL", "SB_PLL40_PAD", "SB_PLL40_CORE")


def timing_complaints(report: dict[str, Any], clock_mhz: float) -> list[str]:
    """What nextpnr's report says against running at `clock_mhz`: no clock, a slower one, one that nobody constrained."""
    clocks = report["fmax"]
    if not clocks:
        return ["no clock was timed"]
    complaints = []
    for name, entry in clocks.items():
        if entry["constraint"] < clock_mhz * (1 - 1e-6):
            complaints.append(f"clock {name} is constrained to {entry['constraint']:.2f} MHz, not {clock_mhz:g}")
        if entry["achieved"] < clock_mhz:
            complaints.append(f"clock {name} reaches {entry['achieved']:.2f} MHz of {clock_mhz:g}")
    return complaints


def path_complaints(netlist: dict[str, Any]) -> list[str]:
    """Pins of a netlist between which and the nearest flip-flop there is logic: a path from outside that no clock times.

    Args:
        netlist: as Yosys writes it in JSON, with one flat module `top`; its oscillator ends in a PLL.
    """
    top = netlist["modules"]["top"]
    readers: dict[int | str, list[tuple[str, str]]] = {}
    drivers: dict[int | str, tuple[str, str]] = {}
    for cell in top["cells"].values():
        for port, bits in cell["connections"].items():
            for bit in bits:
                if cell["port_directions"][port] == "input":
                    readers.setdefault(bit, []).append((cell["type"], port))
                else:
                    drivers[bit] = (cell["type"], port)
    complaints = []
    for name, port in top["ports"].items():
        for bit in port["bits"]:
            for kind, pin in _through_buffers(top, bit, port["direction"], readers, drivers):
                if not (kind.startswith(CLOCKS) or (kind.startswith(REGISTERS) and pin in ("D", "DI", "M", "Q"))):
                    complaints.append(f"pin {name} meets {pin} of a {kind} before a flip-flop")
    return complaints


def _through_buffers(
    top: dict[str, Any],
    bit: int | str,
    direction: str,
    readers: dict[int | str, list[tuple[str, str]]],
    drivers: dict[int | str, tuple[str, str]],
) -> list[tuple[str, str]]:
    """Cells, with the pin, that a pin of the chip goes to or comes from, behind its buffer."""
    for cell in top["cells"].values():
        if cell["type"] not in BUFFERS:
            continue
        connections = cell["connections"]
        if not any(bit in bits for bits in connections.values()):
            continue
        inside = {"TRELLIS_IO": ("O", "I"), "SB_IO": ("D_IN_0", "D_OUT_0"), "IB": ("O", "I"), "OB": ("O", "I")}
        into, out_of = inside[cell["type"]]
        bit = connections[into if direction == "input" else out_of][0]
        break
    if isinstance(bit, str):
        return []
    return readers.get(bit, []) if direction == "input" else [drivers[bit]] if bit in drivers else []
