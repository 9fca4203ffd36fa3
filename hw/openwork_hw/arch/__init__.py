"""What software can see of the array: sizes, arithmetic, weight streams and commands. No Amaranth, no torch."""
