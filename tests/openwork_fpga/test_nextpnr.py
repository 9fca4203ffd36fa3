"""nextpnr's report is read into the design's own names."""

import pytest

from openwork_fpga.nextpnr import PathStep, own_name, read_report
from openwork_fpga.yosys import ToolError


def _hop(kind: str, delay: float, source: str, target: str, net: str | None = None) -> dict[str, object]:
    hop: dict[str, object] = {"type": kind, "delay": delay, "from": {"cell": source}, "to": {"cell": target}}
    return hop | ({"net": net} if net else {})


REPORT = {
    "fmax": {"$glbnet$clk": {"achieved": 151.234, "constraint": 180.0}},
    "utilization": {"TRELLIS_COMB": {"available": 83640, "used": 24}, "DCUA": {"available": 2, "used": 0}},
    "critical_paths": [
        {"from": "<async>", "to": "posedge $glbnet$clk", "path": []},
        {
            "from": "posedge $glbnet$clk",
            "to": "posedge $glbnet$clk",
            "path": [
                _hop("clk-to-q", 0.5, "component.lane.first_TRELLIS_FF_Q", "component.lane.add_0$CCU2_COMB0"),
                _hop("routing", 1.25, "a", "b", net="component.lane.first"),
                _hop("logic", 0.25, "component.lane.add_0$CCU2_COMB0", "x"),
                _hop("routing", 0.0, "a", "b", net="component.lane.carry_2"),
                _hop("logic", 0.5, "component.lane.add_2$CCU2_COMB0", "x"),
                _hop("setup", 0.125, "x", "component.lane.sum_TRELLIS_FF_Q_3"),
            ],
        },
    ],
}


def test_a_report() -> None:
    routed = read_report(REPORT, seed=7)
    assert (routed.seed, routed.clock_mhz, routed.used) == (7, 151.23, {"TRELLIS_COMB": 24})
    assert routed.critical_path == (
        PathStep("clk-to-q", "lane.first", 0.5),
        PathStep("routing", "lane.first", 1.25),
        PathStep("logic", "lane.add_*", 0.75, cells=2),
        PathStep("setup", "lane.sum", 0.125),
    )


def test_a_report_without_a_clock() -> None:
    with pytest.raises(ToolError, match="reports 0 clocks"):
        read_report(REPORT | {"fmax": {}}, seed=1)


@pytest.mark.parametrize(
    ("name", "own"),
    [
        ("component.element_3.sum_SB_DFF_Q_1", "element_3.sum"),
        ("component.element_3.sum_SB_LUT4_O_2_LC", "element_3.sum"),
        ("component.feeder.valid_LUT4_A_Z_PFUMX_Z", "feeder.valid"),
        ("$nextpnr_CCU2C_3$CCU2_COMB0", "$nextpnr"),
        ("component.multipliers.multiplier_2_DSP", "multipliers.multiplier_2_DSP"),
        ("component.gearbox.level_DFFRE_Q_1", "gearbox.level"),
        ("component.csr.o__valid_LUT4_I1_I3_ALU_COUT_CIN_ALU_COUT", "csr.o__valid"),
    ],
)
def test_names_lose_what_the_tools_added(name: str, own: str) -> None:
    assert own_name(name) == own
