"""The parts of the sequencer: states, counters, requests for words, and the way back from the chain."""
