"""What the predicted cycles of each network are made of: those that are useful, and everything that stands between them.

All is counted by the compiler; nothing runs. *Useful* are the products with a nonzero weight, divided by the array's
multipliers: no array of as many takes fewer cycles. Each pass also has a beginning and an end, in which the chain is empty, and
loads its tap table, an entry a cycle. Passes that only copy or gather a map are counted whole. In the others, a row that is shorter
than the row spacing waits for the row before to leave the lanes, and the slowest stream is waited for. What is left are
multipliers beside the map or the vector, fillers, and the cycles of moves.
"""

import argparse

import numpy as np
from by_network import ROOT
from cases import CASES

import openwork
from openwork.compiler.network import best_plan
from openwork.compiler.plan import BlockPlan, NetworkPlan
from openwork.compiler.predict import steady_cycles
from openwork.models.catalogue import CALIBRATION_INPUTS, SUBJECTS
from openwork.records import Origin, merged, read_record, write_record
from openwork_hw.arch.config import ArrayConfig, bits_for

RECORD = ROOT / "docs" / "results" / "cycle_parts.json"

PARTS = (
    "useful",
    "passes begin and end",
    "tap tables",
    "copies and gathering",
    "short rows",
    "slowest stream",
    "multipliers without a pixel, fillers, moves",
)


def pass_parts(config: ArrayConfig, block: BlockPlan, hold: int, cycles: int) -> dict[str, float]:
    """Cycles of a pass over `hold` local pixels, besides its nonzeros."""
    table = hold << bits_for(len(block.block.taps))
    steady = [steady_cycles(config, hold, stream.rows.lengths) for stream in block.streams]
    nonzeros = [hold * int(stream.rows.lengths.sum()) for stream in block.streams]
    return {
        "passes begin and end": cycles - table - max(steady),
        "tap tables": table,
        "short rows": float(np.mean(steady) - np.mean(nonzeros)),
        "slowest stream": float(max(steady) - np.mean(steady)),
    }


def parts(plan: NetworkPlan) -> dict[str, float]:
    """Cycles by what they are for, in the order of `PARTS`."""
    found = dict.fromkeys(PARTS, 0.0)
    for step in plan.steps:
        for run in step.runs:
            for block in run.blocks:
                if run.run.output.root.step:
                    found["copies and gathering"] += sum(block.cycles)
                    continue
                for hold, cycles in zip(block.holds, block.cycles, strict=True):
                    for part, share in pass_parts(plan.schedule.config, block, hold, cycles).items():
                        found[part] += share
        found["useful"] += step.schedule.step.macs / plan.schedule.config.macs
    found[PARTS[-1]] = plan.predicted_cycles - sum(found.values())
    return found


def main() -> None:
    """Measure the networks that are named, or all, and keep the record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="networks, as the beginnings of their names")
    names = parser.parse_args().names
    for name, case in CASES.items():
        if names and not any(name.startswith(start) for start in names):
            continue
        origin = Origin.of_script(__file__, [name], ["torch"])
        subject = SUBJECTS[name](1)
        plan = best_plan(openwork.quantize(subject.model, subject.calibration[:CALIBRATION_INPUTS]), case.config)
        figures = {"cycles predicted": float(plan.predicted_cycles)}
        figures |= {part: round(100 * cycles / plan.predicted_cycles, 2) for part, cycles in parts(plan).items()}
        run = origin.measured(
            f"{name}; {case.config}",
            [(what, "%" if what in PARTS else "cycles", value) for what, value in figures.items()],
        )
        for one in run.figures:
            print(f"{name:50} {one.name:44} {one.value:14,.2f} {one.unit}")
        write_record(RECORD, merged(read_record(RECORD), [run], lambda one: one.subject, list(CASES)))


if __name__ == "__main__":
    main()
