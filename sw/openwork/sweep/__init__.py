"""Sweeps: models x densities x methods x arrays and boards x encodings, on one machine or on a cluster.

- `SweepPlan` says what is swept; `read_plan` reads one from a TOML file.
- `kept` makes each result once: a result is a folder whose name is the content of what it depends on.
- `run_tasks` runs what is missing, here or with Dask; a lost worker loses nothing but time.
- `write_results` writes a table and a page with the Pareto front.
"""

from openwork.sweep.plan import ArrayChoice, ModelChoice, SweepError, SweepPlan, read_plan
from openwork.sweep.results import write_results
from openwork.sweep.running import Task, run_tasks
from openwork.sweep.store import kept

__all__ = [
    "ArrayChoice",
    "ModelChoice",
    "SweepError",
    "SweepPlan",
    "Task",
    "kept",
    "read_plan",
    "run_tasks",
    "write_results",
]
