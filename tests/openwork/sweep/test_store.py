"""A result is a folder that is whole or not there, and is made once."""

from pathlib import Path
from typing import Any

import pytest

from openwork.sweep.store import RESULT, SETTINGS, code_version, file_version, finished, kept, key_of


def test_a_finished_result_is_not_made_again_and_a_damaged_one_is(tmp_path: Path) -> None:
    calls = []

    def make(place: Path) -> dict[str, Any]:
        assert place.is_dir() and not any(place.iterdir())
        (place / "file").write_text("content")
        calls.append(place)
        return {"value": len(calls)}

    settings = {"a": 1, "b": [2, 3]}
    assert kept(tmp_path, settings, make) == kept(tmp_path, settings, make) == {"value": 1}
    assert kept(tmp_path, {"a": 2}, make) == {"value": 2}
    folder = tmp_path / key_of(settings)
    assert sorted(path.name for path in folder.iterdir()) == sorted(["file", RESULT, SETTINGS])
    for content in ("", "{", "[1]", "[" * 100_000):
        (folder / RESULT).write_text(content)
        assert finished(tmp_path, folder.name) is None
        assert kept(tmp_path, settings, make) == {"value": len(calls)} == finished(tmp_path, folder.name)
    assert len(calls) == 6


def test_what_fails_leaves_nothing(tmp_path: Path) -> None:
    def make(place: Path) -> dict[str, Any]:
        (place / "half").write_text("")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        kept(tmp_path, {"a": 1}, make)
    assert list(tmp_path.iterdir()) == []


def test_keys_follow_contents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_text("1")
    before = file_version(tmp_path / "a")
    (tmp_path / "a").write_text("2")
    assert file_version(tmp_path / "a") != before
    assert code_version() == code_version() and len(code_version()) == 16
