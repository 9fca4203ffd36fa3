"""Where a run comes from: the command, the commit, the sources and the tools."""

import shlex
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from openwork.records.runs import Configuration, Figure, Run, Value
from openwork.records.sources import Sources

NO_SOURCES = ("docs", "fpga/results", "README.md", "CHANGELOG.md")
"""Files that may differ from the commit without a difference in what is measured."""


@dataclass(frozen=True)
class Origin:
    """What all runs of one measurement have in common. It is taken when the measurement begins: files may change meanwhile.

    Attributes: those of `Run`.
    """

    command: str
    commit: str = ""
    sources: str = ""
    tools: tuple[str, ...] = ()

    @classmethod
    def now(cls, command: str, tools: Iterable[str] = (), scripts: Path | None = None) -> "Origin":
        """The origin of a measurement that begins now.

        Args:
            command: as a person types it, from the repository's folder.
            tools: names and versions.
            scripts: the folder of the benchmark, if one measures.
        """
        return cls(command, current_commit(), Sources.here(scripts).fingerprint(command), tuple(tools))

    @classmethod
    def of_script(cls, script: str, arguments: Iterable[str] | None = None, packages: Iterable[str] = ()) -> "Origin":
        """The origin of what a benchmark begins to measure now.

        Args:
            script: the benchmark's file.
            arguments: that make it measure just this; by default those that it was started with.
            packages: Python packages that decide the figures besides ours.
        """
        path = Path(script)
        command = shlex.join(["python", f"benchmarks/{path.name}", *(sys.argv[1:] if arguments is None else arguments)])
        return cls.now(command, tool_versions(*packages), path.parent)

    def measured(
        self,
        configuration: Configuration,
        figures: Iterable[tuple[str, str, Value] | Figure],
        *,
        device: str = "",
        part: str = "",
        speed: str = "",
    ) -> Run:
        """A run of this origin; a figure is its name, unit and value."""
        return Run(
            device=device,
            part=part,
            speed=speed,
            configuration=configuration,
            command=self.command,
            commit=self.commit,
            sources=self.sources,
            tools=self.tools,
            figures=tuple(one if isinstance(one, Figure) else Figure(*one) for one in figures),
        )


def tool_versions(*packages: str) -> tuple[str, ...]:
    """Name and version of each Python package."""
    return tuple(f"{package} {version(package)}" for package in packages)


def current_commit() -> str:
    """The commit that our sources are a checkout of, with ``-dirty`` behind it if a source differs from the commit.

    Empty if there is no Git, or if the sources belong to no repository: a user's own repository is none of theirs.
    """
    here = Path(__file__)
    try:
        if _git(here.parent, "ls-files", here.name) != here.name:
            return ""
        commit = _git(here.parent, "rev-parse", "--short=12", "HEAD")
        besides = [f":(top,exclude){name}" for name in NO_SOURCES]
        changed = _git(here.parent, "status", "--porcelain", "--untracked-files=no", "--", ":/", *besides)
    except OSError:
        return ""
    return commit + ("-dirty" if commit and changed else "")


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
