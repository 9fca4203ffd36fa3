"""Show a synthesis result as a table."""

from rich.console import Group
from rich.table import Table
from rich.text import Text

from openwork_fpga.synth import SynthesisResult


def table(result: SynthesisResult) -> Group:
    """Figures of a result, and below them the critical path of the median seed."""
    clocks = result.clocks_mhz.values()
    rows = [
        ("MACs", str(result.config)),
        ("LUTs", f"{result.luts:,}"),
        ("LUTs per MAC", f"{result.luts_per_mac:.1f}"),
        ("flip-flops", f"{result.flip_flops:,}"),
        ("multiplier blocks", str(result.dsps)),
        ("block memories", str(result.block_memories)),
        *([("256-kbit memories", str(result.large_memories))] if result.large_memories else []),
        ("clock, median", f"{result.median_mhz:.1f} MHz"),
        ("clock, lowest and highest", f"{min(clocks):.1f} to {max(clocks):.1f} MHz, {len(clocks)} placer seeds"),
        ("tools", ", ".join(result.tools)),
    ]
    figures = Table(title=f"{result.device.name}, speed grade {result.device.speed}", show_header=False)
    for name, value in rows:
        figures.add_row(name, value)
    path = Table(title="critical path of the median seed")
    for heading in ("delay", "what", "where"):
        path.add_column(heading, justify="right" if heading == "delay" else "left")
    for step in result.critical_path:
        chain = f" x {step.cells}" if step.cells > 1 else ""
        path.add_row(Text(f"{step.delay_ns:.2f} ns"), Text(step.kind), Text(step.name + chain))
    total = sum(step.delay_ns for step in result.critical_path)
    path.add_row(Text(f"{total:.2f} ns"), Text("total"), Text(""))
    return Group(figures, path)
