"""The demo, as `make demo` runs it."""

from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from openwork_dv.demo import run_demo


@pytest.mark.slow
def test_every_output_and_every_cycle_is_right() -> None:
    written = StringIO()
    assert run_demo(Console(file=written, width=120), Path("build"), images=1), written.getvalue()
    assert "linear" in written.getvalue()
