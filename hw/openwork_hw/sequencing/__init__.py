"""The parts of the sequencer."""
