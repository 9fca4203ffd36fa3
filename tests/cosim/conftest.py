"""One seed for all random stimulus; a failure prints the line that runs it again."""

import os
from collections.abc import Generator

import pytest

SEED = int(os.environ.get("OPENWORK_SEED", "1"))


@pytest.fixture
def seed() -> int:
    """From OPENWORK_SEED, else 1."""
    return SEED


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Say how to see a failure again."""
    report = yield
    if report.failed and "cosim" in item.nodeid:
        report.sections.append(("run it again", f"OPENWORK_SEED={SEED} pytest {item.nodeid!r}"))
    return report
