"""The record of what was measured: files of runs, and which sources each run measured."""

from openwork.records.origin import Origin, current_commit, tool_versions
from openwork.records.runs import (
    Configuration,
    Figure,
    RecordError,
    Run,
    Value,
    merged,
    read_record,
    run_values,
    write_record,
)
from openwork.records.sources import Sources

__all__ = [
    "Configuration",
    "Figure",
    "Origin",
    "RecordError",
    "Run",
    "Sources",
    "Value",
    "current_commit",
    "merged",
    "read_record",
    "run_values",
    "tool_versions",
    "write_record",
]
