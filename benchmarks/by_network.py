"""Measure some or all networks of the catalogue, and keep the record after each: what benchmarks of accuracy have in common."""

import argparse
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from openwork.models.shared_data import DataError
from openwork.records import Origin, merged, read_record, write_record

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

    path = ROOT / "docs" / "results" / f"{file}.json"
    for name in names:
        origin = Origin.of_script(f"{ROOT}/benchmarks/{file}.py", [name], ["torch"])
        try:
            measured = list(measure(name))
        except DataError as error:
            print(f"{name} left out: {error}")
            continue
        by_configuration: dict[str, list[tuple[str, str, float]]] = {}
        for configuration, what, unit, value in measured:
            print(f"{configuration:56} {what:40} {value:12,.2f} {unit}")
            by_configuration.setdefault(configuration, []).append((what, unit, round(value, 2)))
        runs = [origin.measured(configuration, figures) for configuration, figures in by_configuration.items()]
        write_record(path, merged(read_record(path), runs, lambda one: _network_of(one.setting, networks), networks))


def _network_of(configuration: str, networks: Sequence[str]) -> str:
    """The longest name that it begins with: one network may be called like another one, and something."""
    return max((name for name in networks if configuration.startswith(name)), key=len, default="")
