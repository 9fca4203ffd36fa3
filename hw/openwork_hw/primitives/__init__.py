"""Memories, multipliers and adders, each in a plain version and one per device family."""
