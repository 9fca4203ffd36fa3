"""The contract between gateware and software: sizes, arithmetic, weight streams, commands, registers. No Amaranth, no torch."""
