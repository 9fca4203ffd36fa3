"""Every component has a test of its name, or names what verifies it."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GATEWARE = ROOT / "hw" / "openwork_hw"
TESTS = ROOT / "tests"

FILES = sorted(
    str(path.relative_to(GATEWARE)) for path in GATEWARE.rglob("*.py") if "wiring.Component" in path.read_text()
)

LINE = re.compile(r"Verified by\s+(tests/\S+\.py)::(test_\w+)")


def components(path: Path) -> list[ast.ClassDef]:
    """The classes of a file that are components."""
    return [
        node
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.ClassDef) and "wiring.Component" in map(ast.unparse, node.bases)
    ]


def test_there_are_components() -> None:
    assert len(FILES) > 60


@pytest.mark.parametrize("file", FILES)
def test_each_component_has_a_test_or_names_one(file: str) -> None:
    """A test file beside it, as deep in the folder of tests; or a line in the datasheet, with a test that exists."""
    path = Path(file)
    if (TESTS / "openwork_hw" / path.parent / f"test_{path.stem}.py").exists():
        return
    for component in components(GATEWARE / path):
        found = LINE.search(ast.get_docstring(component) or "")
        assert found, f"{component.name} has no test_{path.stem}.py beside it, and its datasheet no line 'Verified by'"
        test = ROOT / found[1]
        assert test.exists() and f"def {found[2]}(" in test.read_text(), (
            f"{component.name} names {found[0]}, which is not there"
        )
