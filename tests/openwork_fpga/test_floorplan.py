"""Every multiplier and memory of a chain gets a place of its own, beside the rest of its PE."""

from itertools import pairwise

from openwork_fpga.devices import DEVICES
from openwork_fpga.floorplan import PORT_COLUMNS, places
from openwork_hw.arch.config import PRESETS, ArrayConfig

DEVICE = DEVICES["lfe5u-85f"]
CONFIG = PRESETS["ecp5-85k"]


def cells(config: ArrayConfig) -> list[str]:
    """Names as synthesis gives them: a multiplier and a memory for each lane, and the feeders' memories."""
    lanes = [
        name
        for pe in range(config.pes)
        for lane in range(config.lanes)
        for name in (
            f"component.chain.pe_{pe}.element.multipliers.multiplier_{lane}",
            f"component.chain.pe_{pe}.element.memory.memory.memory_{9 * lane}",
        )
    ]
    return lanes + [
        f"component.chain.pe_{pe}.feeder.{name}.memory_0" for pe in config.feeders for name in ("rows.ring", "table")
    ]


def column(bel: str) -> int:
    return int(bel.split("/")[0].removeprefix("X"))


def test_each_cell_has_a_place_of_its_own() -> None:
    found = places(DEVICE, CONFIG, cells(CONFIG))
    assert sorted(found) == sorted(cells(CONFIG))
    assert len(set(found.values())) == len(found)
    assert all(("MULT18" in bel) == ("multiplier" in name) for name, bel in found.items())


def test_a_pe_and_its_neighbour_lie_together() -> None:
    found = places(DEVICE, CONFIG, cells(CONFIG))
    spans = [[column(bel) for name, bel in found.items() if f".pe_{pe}." in name] for pe in range(CONFIG.pes)]
    assert found["component.chain.pe_7.feeder.table.memory_0"] in DEVICE.free_memories
    assert max(max(span) - min(span) for span in spans) < 24  # of 126 columns
    middles = [sum(span) / len(span) for span in spans]
    assert max(abs(left - right) for left, right in pairwise(middles)) < 24


def test_no_pattern_no_places() -> None:
    """Other cells stay free, and so does everything where the chain does not fit the rows or the part has none."""
    assert (
        places(DEVICE, CONFIG, ["component.sequencer.queue.storage", "component.chain.pe_0.feeder.decoder.state"]) == {}
    )
    too_long = ArrayConfig(22, 7)
    assert places(DEVICE, too_long, cells(too_long)) == {}
    assert places(DEVICES["ice40up5k"], PRESETS["ice40-up5k"], cells(PRESETS["ice40-up5k"])) == {}


def test_port_registers_lie_with_their_feeder() -> None:
    ports = [f"i_words_{place}_port[{bit}]" for place in range(len(CONFIG.feeders)) for bit in range(33)]
    ports += [f"component.chain.pe_{pe}.feeder.columns_port[{bit}]" for pe in CONFIG.feeders for bit in range(17)]
    found = places(DEVICE, CONFIG, cells(CONFIG) + ports)
    assert len(set(found.values())) == len(cells(CONFIG)) + len(ports)
    for place, pe in enumerate(CONFIG.feeders):
        ring = column(found[f"component.chain.pe_{pe}.feeder.rows.ring.memory_0"])
        columns = [column(found[name]) for name in ports if f"words_{place}_" in name or f".pe_{pe}." in name]
        assert len(columns) == 33 + 17
        assert max(abs(ring - x) for x in columns) < PORT_COLUMNS


def test_slices_of_an_image_memory_lie_together() -> None:
    image = [f"serial.memory.bits_{low}.memory.memory_{bit}" for low in (0, 8, 16, 24) for bit in range(8)]
    found = places(DEVICE, CONFIG, cells(CONFIG) + image)
    assert len(set(found.values())) == len(cells(CONFIG)) + len(image)
    for low in (0, 8, 16, 24):
        columns = [column(found[name]) for name in image if f"bits_{low}." in name]
        assert max(columns) - min(columns) < 24
    too_many = [f"serial.memory.bits_{low}.memory.memory_{bit}" for low in range(0, 64, 8) for bit in range(8)]
    assert not set(places(DEVICE, CONFIG, cells(CONFIG) + too_many)) & set(too_many)
