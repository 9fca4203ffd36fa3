"""What all tests share: one seed for random stimulus; in CI (`CI=true`) nothing may be skipped, so a missing tool fails by name."""

import gc
import os
import re
from collections.abc import Generator
from itertools import count
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import settings

# Beside other workers, one a core, torch's threads would mostly wait for each other. Torch reads this when it is imported.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# What modules make when they are imported stays to the end. While they are imported there is no garbage to look for, and
# afterwards nobody needs to look through what stays: a third of the time until the first test, and some of the time of all.
gc.disable()

IN_CI = os.environ.get("CI", "") not in ("", "0", "false")

# Times say nothing about correctness, and a property that fails prints the line that runs it again.
settings.register_profile("openwork", deadline=None, print_blob=True)
settings.load_profile("openwork")


# How long a stage of a command takes depends on what else the machine does: no line about it, unless a test asks for it.
os.environ.setdefault("OPENWORK_STAGE_SECONDS", "inf")

SEED = int(os.environ.get("OPENWORK_SEED", "1"))


@pytest.fixture(scope="session")
def seed() -> int:
    """From OPENWORK_SEED, else 1."""
    return SEED


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--waves FOLDER` is the environment variable that every cocotb bench and every Amaranth unit test reads."""
    parser.addoption("--waves", metavar="FOLDER", help="write the waves of every simulation into a folder")


def pytest_configure(config: pytest.Config) -> None:
    """Workers of xdist get the same arguments."""
    if folder := config.getoption("--waves"):
        os.environ["OPENWORK_WAVES"] = str(Path(folder).absolute())
    if folder := os.environ.get("OPENWORK_WAVES"):
        _record_simulators(Path(folder))


def _record_simulators(folder: Path) -> None:
    """Let Amaranth's simulator write the waves of every run, in files that are called after the test."""
    from amaranth.sim import Simulator

    numbers = count(1)
    run = Simulator.run

    def recorded(simulator: Simulator) -> None:
        test = os.environ.get("PYTEST_CURRENT_TEST", "simulation").rpartition("::")[2].partition(" ")[0]
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{re.sub(r'[^A-Za-z0-9_.-]+', '-', test)}-{next(numbers)}.vcd"
        with simulator.write_vcd(str(path), str(path.with_suffix(".gtkw"))):
            run(simulator)

    Simulator.run = recorded


def pytest_collection_finish() -> None:
    """All modules of tests are imported."""
    gc.enable()
    gc.freeze()


Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)


def _refuse_skip(report: Report) -> Report:
    """Turn a skip into a failure that names the test and what it wanted; an expected failure stays one."""
    if IN_CI and report.outcome == "skipped" and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        report.outcome = "failed"
        report.longrepr = f"{report.nodeid} may not be skipped in CI. {reason}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """No test is skipped in CI; one that fails with a seed says how to see the failure again."""
    report = _refuse_skip((yield))
    if report.failed and "seed" in getattr(item, "fixturenames", ()):
        report.sections.append(("run it again", f"OPENWORK_SEED={SEED} pytest {item.nodeid!r}"))
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """No test file is skipped in CI."""
    return _refuse_skip((yield))
