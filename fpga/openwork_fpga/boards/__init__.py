"""Boards: what each one is, its clock and pins around the serial shell, its bitstream, and how that gets onto the board."""
