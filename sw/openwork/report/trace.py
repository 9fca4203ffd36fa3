"""A run over time, as a trace that Perfetto and chrome://tracing show: commands, transfers, weight streams and PEs.

The trace is the JSON form of Chrome's trace events. A *complete* event (``"ph": "X"``) has a start and a duration. Each event also
has its cycles as whole numbers in ``args``, because the times themselves are microseconds.

What is drawn inside a command is a little simplified: weight streams begin when the tap table is loaded. The few cycles in which
they are started and stopped along the chain of PEs are at the command's end.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from openwork.compiler.fetching import followed
from openwork.compiler.predict import stream_end
from openwork.files import write_whole
from openwork.image import STEP_KINDS, Image
from openwork.progress import Progress, silent
from openwork.report.text import printable
from openwork_hw.arch.commands import LoadCommand, Operation, RunCommand, StoreCommand
from openwork_hw.arch.encodings import decode
from openwork_hw.arch.image import Instruction
from openwork_hw.arch.sdram import SdramConfig
from openwork_hw.arch.timing import program_times

__all__ = ["Memory", "trace_of", "write_trace"]

RUN, ARRAY, STREAMS, PES = 1, 2, 3, 4
"""Numbers of the groups of tracks, in which Perfetto calls them processes."""

WHOLE, STEPS, COMMANDS = 1, 2, 3
"""Tracks of `RUN`."""

HOST_IN, HOST_OUT, FETCHES, MAPS = 1, 2, 3, 4
"""Tracks of `ARRAY`."""


@dataclass(frozen=True)
class Memory:
    """The memory that an external image is fetched from.

    Attributes:
        scratchpad_words: of the memory on the chip.
        sdram: the SDRAM chip, and the clock of all.
    """

    scratchpad_words: int
    sdram: SdramConfig


@dataclass(frozen=True)
class _Times:
    """When what happens in a run, in cycles from the request.

    Attributes:
        starts, cycles: of each command.
        ends: the cycle of the answer.
        maps: of each command that moves a map beside others, its number and the cycles in which it begins and is over.
        fetches: what is fetched: name, start, cycles, and what else is known.
    """

    starts: Sequence[int]
    cycles: Sequence[int]
    ends: int
    maps: Sequence[tuple[int, int, int]]
    fetches: Sequence[tuple[str, int, int, dict[str, Any]]] = ()


def trace_of(
    image: Image,
    *,
    clock_mhz: float | None = None,
    memory: Memory | None = None,
    cycles: Sequence[int] | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """The trace of one run of an image, as JSON values.

    Args:
        image: compiled.
        clock_mhz: of the array; None makes a cycle a microsecond.
        memory: that the image is fetched from; None if all of it is at hand.
        cycles: of each command, as the gateware reported them; None takes the predicted cycles.
        progress: shows how many commands are done.

    Raises:
        ImageError: the image cannot be fetched into a scratchpad of this size.
    """
    times = _times(image, memory, cycles)
    events = _Events(clock_mhz or 1.0)
    events.track(RUN, "network", {WHOLE: "run", STEPS: "steps", COMMANDS: "commands"})
    transfers = {HOST_IN: "from the host", HOST_OUT: "to the host"}
    if memory is not None:
        transfers[FETCHES] = "image from the SDRAM"
    if times.maps:
        transfers[MAPS] = "maps from and to the SDRAM"
    events.track(ARRAY, "transfers", transfers)
    events.track(STREAMS, "weight streams", {pe + 1: f"feeder of PE {pe}" for pe in image.config.feeders})
    events.track(PES, "PEs", {pe + 1: f"PE {pe}" for pe in range(image.config.pes)})
    about = {"cycles": times.ends, "compute_cycles": image.compute_cycles, "array": str(image.config)}
    events.add(RUN, WHOLE, "run", 0, times.ends, about)
    _add_steps(events, image, times)
    for number in progress(range(len(image.commands)), "tracing"):
        _add_command(events, image, number, image.instructions[number], times.starts[number], times.cycles[number])
    for name, start, count, known in times.fetches:
        events.add(ARRAY, FETCHES, name, start, count, known)
    for number, start, over in times.maps:
        plan = image.commands[number]
        about = {"command": number, "tensor": printable(plan.tensor), "kind": plan.kind}
        events.add(ARRAY, MAPS, f"{plan.kind} {printable(plan.tensor)}", start, over - start, about)
    clock = "a cycle is shown as a microsecond" if clock_mhz is None else f"{clock_mhz:g} MHz"
    source = "predicted" if cycles is None else "reported by the gateware"
    return {
        "traceEvents": events.found,
        "displayTimeUnit": "ns",
        "otherData": {"array": str(image.config), "clock": clock, "cycles": f"{times.ends:,}, {source}"},
    }


def write_trace(path: Path, trace: dict[str, Any]) -> None:
    """Write a trace, as a whole or not at all."""
    write_whole(path, json.dumps(trace, separators=(",", ":")).encode())


def _times(image: Image, memory: Memory | None, cycles: Sequence[int] | None) -> _Times:
    taken = [command.predicted_cycles for command in image.commands] if cycles is None else list(cycles)
    if memory is None:
        times = program_times(image.config, image.timed(taken))
        return _Times(times.starts, taken, times.ends, times.maps)
    _, transfers, run = followed(image, memory.scratchpad_words, memory.sdram, taken)
    fetches = [
        (transfer.kind.name, begins, judged - begins, {"words": len(transfer.words), "waits for commands": transfer.after,
                                                         "waited": begins - named})
        for transfer, (named, begins, judged) in zip(transfers, run.transfers, strict=True)
    ]  # fmt: skip
    return _Times(run.starts, taken, run.cycles, run.maps, fetches)


def _add_steps(events: "_Events", image: Image, times: _Times) -> None:
    """An event for each stretch of commands of one step, and how much of the array does useful work in the step."""
    macs = {step.output: step.macs for step in image.network.steps}
    cycles = image.step_cycles()
    numbers = [number for number, command in enumerate(image.commands) if command.kind in STEP_KINDS]
    for tensor, group in groupby(numbers, key=lambda number: image.commands[number].tensor):
        own = list(group)
        start, last = times.starts[own[0]], times.starts[own[-1]] + times.cycles[own[-1]]
        share = macs[tensor] / (cycles[tensor] * image.config.macs)
        known = {"cycles of its commands": sum(times.cycles[number] for number in own), "utilization": round(share, 4)}
        events.add(RUN, STEPS, printable(tensor), start, last - start, known)


def _add_command(
    events: "_Events", image: Image, number: int, instruction: Instruction, start: int, cycles: int
) -> None:
    plan, command = image.commands[number], instruction.command
    name = f"{plan.kind} {printable(plan.tensor)}"
    known: dict[str, Any] = {"command": number, "tensor": printable(plan.tensor), "kind": plan.kind}
    if isinstance(command, LoadCommand | StoreCommand):
        known["bytes"] = command.words * image.config.lanes
        place = "external memory" if command.pieces else "host"
        events.add(RUN, COMMANDS, name, start, cycles, {**known, "with": place})
        if not command.pieces:
            side = HOST_IN if isinstance(command, LoadCommand) else HOST_OUT
            events.add(ARRAY, side, name, start, cycles, known)
        return
    if not isinstance(command, RunCommand):
        events.add(RUN, COMMANDS, name, start, cycles, known)
        return
    begins = start + plan.table_entries
    streams = image.config.pes // command.row_groups
    known |= {"pixels": command.hold, "row groups": command.row_groups, "streams": streams, "table": plan.table_entries}
    events.add(RUN, COMMANDS, name, start, cycles, known)
    for stream, feeder in enumerate(instruction.feeders):
        numbers = [record.row for record in feeder.records]
        rows = decode(image.encoding, feeder.words, command.layout, numbers)
        pooled = command.operation is Operation.POOL
        ends = stream_end(image.config, image.encoding, command.hold, rows.lengths, pooled=pooled)
        first = stream * command.row_groups
        about = {"command": number, "rows": len(numbers), "nonzeros": rows.nonzeros, "words": len(feeder.words)}
        events.add(STREAMS, first + 1, printable(plan.tensor), begins, ends, about)
        for group in range(command.row_groups):
            about = {"command": number, "stream": stream, "row group": group}
            events.add(PES, first + group + 1, f"{printable(plan.tensor)}, group {group}", begins, ends, about)


class _Events:
    """The events of a trace."""

    def __init__(self, cycles_per_us: float) -> None:
        self._clock = cycles_per_us
        self.found: list[dict[str, Any]] = []

    def track(self, group: int, name: str, tracks: dict[int, str]) -> None:
        """Names of a group of tracks and of its tracks, which are shown in this order."""
        self._about(group, 0, "process_name", {"name": name})
        self._about(group, 0, "process_sort_index", {"sort_index": group})
        for track, title in tracks.items():
            self._about(group, track, "thread_name", {"name": title})
            self._about(group, track, "thread_sort_index", {"sort_index": track})

    def _about(self, group: int, track: int, kind: str, args: dict[str, Any]) -> None:
        self.found.append({"ph": "M", "pid": group, "tid": track, "name": kind, "args": args})

    def add(self, group: int, track: int, name: str, start: int, cycles: int, args: dict[str, Any]) -> None:
        """An event that begins in a cycle and takes so many cycles."""
        self.found.append(
            {
                "ph": "X",
                "pid": group,
                "tid": track,
                "name": name,
                "ts": start / self._clock,
                "dur": cycles / self._clock,
                "args": {"start": start, "cycles": cycles, **args},
            }
        )
