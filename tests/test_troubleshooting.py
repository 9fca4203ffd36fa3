"""The sentences of docs/troubleshooting.md are those that Openwork says."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "troubleshooting.md"
TEXT = re.compile(r"^```text\n(.*?)^```$", re.MULTILINE | re.DOTALL)
GAP = "…"
"""Stands for what differs from case to case: a name, a number."""


def said() -> set[str]:
    """Every string of the sources; what is filled in is a gap."""
    found = set()
    for package in ("hw", "sw", "verification", "fpga"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.JoinedStr):
                    parts = (one.value if isinstance(one, ast.Constant) else GAP for one in node.values)
                    found.add("".join(map(str, parts)))
                elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                    found.add(node.value)
    return found


def is_said(sentence: str, strings: set[str]) -> bool:
    """Whether one string has all parts of the sentence, in order."""
    pattern = re.compile(".*".join(map(re.escape, filter(None, sentence.strip().split(GAP)))), re.DOTALL)
    return any(pattern.search(one) for one in strings)


def test_every_sentence_is_one_of_openwork() -> None:
    strings = said()
    sentences = [line for block in TEXT.findall(PAGE.read_text(encoding="utf-8")) for line in block.splitlines()]
    assert len(sentences) > 10
    assert [one for one in sentences if not is_said(one, strings)] == []


def test_a_sentence_that_nobody_says_is_found() -> None:
    strings = {f"there is no port {GAP}: is the board plugged in?"}
    assert is_said("there is no port …: is the board plugged in?", strings)
    assert not is_said("there is no port …: is the cable plugged in?", strings)


def test_every_row_of_the_table_leads_to_a_section() -> None:
    text = PAGE.read_text(encoding="utf-8")
    anchors = [re.sub(r"\W+", "-", one.lower()) for one in re.findall(r"^## (.+)$", text, re.MULTILINE)]
    assert re.findall(r"\]\(#([\w-]+)\)", text) == anchors
