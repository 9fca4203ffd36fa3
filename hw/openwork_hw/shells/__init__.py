"""Shells: they connect the array to a serial line, a bus or a flash memory."""
