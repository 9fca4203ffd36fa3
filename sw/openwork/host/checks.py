"""What a self-test says about one part of a board."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Check:
    """One check of the self-test: its name, whether it passed, and what was found."""

    name: str
    passed: bool
    found: str
