"""Attack what comes from outside: twelve formats mutated under right checksums, and hostile images in RTL.

Each trial ends in a sentence, or in what the content means; a traceback, a wrong value or a wait ends the campaign. Takes about an
hour on two cores. The record is docs/results/campaign.json.

    python benchmarks/campaign.py                         # 100,000 trials of each format, 8,000 images in RTL
    python benchmarks/campaign.py --count 2000 --try-only taps   # fewer, of the formats whose names begin so; no record
"""

import argparse
import os
from pathlib import Path

from rich.progress import Progress

from openwork.records import Origin, merged, read_record, write_record
from openwork_dv.fuzzing import FORMATS, fuzz
from openwork_dv.fuzzing.rtl import ARRAYS, hostile_runs
from openwork_hw.arch.nonzeros import Encoding

RECORD = Path(__file__).parents[1] / "docs" / "results" / "campaign.json"
COUNT = 100_000
IMAGES = 2000
"""In RTL, of each array."""


def main() -> None:
    """Run the campaign, or a part of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="what is mutated, as the beginnings of its names")
    parser.add_argument("--count", type=int, default=COUNT, help="trials of each format; a share of them in RTL")
    parser.add_argument("--seed", type=int, default=1, help="of all trials")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--try-only", action="store_true", help="keep no record")
    options = parser.parse_args()
    subjects = {f"RTL, {name}": name for name in ARRAYS}
    chosen = [one for one in (*FORMATS, *subjects) if not options.names or one.startswith(tuple(options.names))]
    with Progress() as progress:
        for name in chosen:
            rtl = name in subjects
            count = max(options.count * IMAGES // COUNT, 10) if rtl else options.count
            task = progress.add_task(name, total=count)
            tell = lambda done, task=task: progress.update(task, completed=done)  # noqa: E731  # of this task
            if rtl:
                outcomes = hostile_runs(ARRAYS[subjects[name]], Encoding.CSR, count, options.seed, tell)
            else:
                outcomes = fuzz(name, count, options.seed, tell, workers=options.workers).outcomes
            progress.console.print(f"{name}: {dict(sorted(outcomes.items()))}", highlight=False)
            if not options.try_only:
                origin = Origin.of_script(__file__, [name], ["numpy", "torch"])
                run = origin.measured(
                    name, [("trials", "", count), *((what, "", number) for what, number in sorted(outcomes.items()))]
                )
                write_record(RECORD, merged(read_record(RECORD), [run], lambda one: one.subject, [*FORMATS, *subjects]))


if __name__ == "__main__":
    main()
