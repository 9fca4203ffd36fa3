"""Measure some or all networks of the catalogue, and keep the record after each: what benchmarks of accuracy have in common."""

import argparse
import json
import subprocess
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import torch

from openwork.models.shared_data import DataError

ROOT = Path(__file__).resolve().parents[1]

Figure = tuple[str, str, str, float]
"""Configuration, which begins with the network's name; what; unit; value."""


def keep(
    description: str | None, file: str, networks: Sequence[str], measure: Callable[[str], Iterable[Figure]]
) -> None:
    """The command line of a benchmark: NAME .. measures those networks, and leaves the others in the record as they are.

    Args:
        description: of the benchmark, for --help.
        file: the benchmark's name, and its record's.
        networks: all names, in the order of the record.
        measure: a network; DataError where its data are not there.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    # argparse takes % for the beginning of something of its own.
    parser.add_argument("names", nargs="*", help=f"networks: {', '.join(networks)}".replace("%", "%%"))
    names = parser.parse_args().names or list(networks)
    if unknown := set(names) - set(networks):
        parser.error(f"there is no network {', '.join(sorted(unknown))}: there are {', '.join(networks)}")

    context = {
        "commit": current_commit(),
        "tools": [f"torch {torch.__version__}"],
        "command": f"python benchmarks/{file}.py",
    }
    path = ROOT / "docs" / "results" / f"{file}.json"
    kept = json.loads(path.read_text()) if path.exists() else []
    record = {name: [one for one in kept if _network_of(one["configuration"], networks) == name] for name in networks}
    for name in names:
        try:
            measured = list(measure(name))
        except DataError as error:
            print(f"{name} left out: {error}")
            continue
        record[name] = [
            {"name": what, "unit": unit, "value": round(value, 2), "configuration": configuration, **context}
            for configuration, what, unit, value in measured
        ]
        for configuration, what, unit, value in measured:
            print(f"{configuration:56} {what:40} {value:12,.2f} {unit}")
        lines = [one for entries in record.values() for one in entries]
        path.write_text(json.dumps(lines, indent=1) + "\n", encoding="utf-8")


def current_commit() -> str:
    """The commit that is checked out, with ``-dirty`` behind it where a file besides the records differs from it."""
    git = ["git", "-C", str(ROOT)]
    commit = subprocess.run(
        [*git, "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()
    changed = subprocess.run(
        [*git, "diff", "--quiet", "HEAD", "--", ".", ":!docs"], capture_output=True, check=False
    ).returncode
    return (commit or "unknown") + ("-dirty" if commit and changed else "")


def _network_of(configuration: str, networks: Sequence[str]) -> str:
    """The longest name that it begins with: one network may be called like another one, and something."""
    return max((name for name in networks if configuration.startswith(name)), key=len, default="")
