"""The row buffer keeps its elements' pace, and a fault ends a pass and holds nothing up."""

from pathlib import Path
from types import ModuleType

import pytest

from openwork_dv.formal.mutants import around, mutant
from openwork_dv.formal.prover import Prover
from openwork_dv.formal.replaying import row_buffer_properties
from openwork_hw.arch.config import ArrayConfig
from openwork_hw.array import replay_pointer, row_buffer, row_faults
from openwork_hw.array.row_buffer import RowBuffer

PATIENCE = 9
CYCLES = 20

PARTS = {replay_pointer: ["ReplayPointer"], row_faults: ["RowFaults"]}
"""Components of a row buffer that are broken below."""


def config(lanes: int) -> ArrayConfig:
    return ArrayConfig(pes=1, lanes=lanes, feature_words=64, row_buffer_nonzeros=16, tap_entries=16, sum_bits=20)


@pytest.mark.slow
@pytest.mark.parametrize("array", [config(1), config(5)], ids=str)
def test_rows_keep_their_distance_and_faults_hold_nothing_up(array: ArrayConfig, tmp_path: Path) -> None:
    prover = Prover(row_buffer_properties(RowBuffer(array), array, patience=PATIENCE), tmp_path)
    assert prover.counterexample(cycles=CYCLES) is None
    assert prover.unproved(but=["no_hang"]) == []
    assert prover.unreached(cycles=CYCLES) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "healthy", "broken", "claim"),
    [
        (replay_pointer, "since_last[spacing - 2]", "since_last[spacing - 3]", "last_beats_are_apart"),
        (replay_pointer, "first.eq(at_end)", "first.eq(0)", "first_begins_a_row_and_nothing_else_does"),
        (row_faults, "(fault != StreamErrorKind.NONE) & ~stopped", "fault != StreamErrorKind.NONE", "error_stays"),
        (
            row_buffer,
            "self.i.ready.eq(stopped | (self.i_records",
            "self.i.ready.eq((self.i_records",
            "after_a_fault_nonzeros_are_taken",
        ),
        (replay_pointer, "finished.eq(head.final)", "finished.eq(0)", "no_hang"),
    ],
)
def test_a_broken_row_buffer_is_found(
    source: ModuleType, healthy: str, broken: str, claim: str, tmp_path: Path
) -> None:
    twin = mutant(source, healthy, broken)
    if source is not row_buffer:
        twin = around(row_buffer, **{name: getattr(twin, name) for name in PARTS[source]})
    buffer = twin.RowBuffer(config(1))
    found = Prover(row_buffer_properties(buffer, config(1), patience=PATIENCE), tmp_path).counterexample(cycles=CYCLES)
    assert found is not None and found.claim == claim
