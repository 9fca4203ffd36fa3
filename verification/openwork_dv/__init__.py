"""Drivers, monitors, scoreboard, stimulus and coverage for the gateware, and the benches that run in the simulator."""
