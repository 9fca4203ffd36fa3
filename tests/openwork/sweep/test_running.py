"""Tasks that are run once, here or by workers; a lost worker loses nothing but time."""

from collections import Counter
from pathlib import Path

import pytest
from tests.openwork.sweep.work import always_deadly, deadly, doubled, failing, noted

from openwork.sweep import Task, run_tasks
from openwork.sweep.running import RunningError


def tasks(folder: Path, count: int = 6) -> list[Task]:
    """Some that make a result, and for each one that needs it."""
    made = [Task(f"square-{number}", noted, (str(folder), number)) for number in range(count)]
    return [*made, *(Task(f"double-{number}", doubled, (2,), needs=f"square-{number}") for number in range(count))]


def made(folder: Path) -> Counter[str]:
    path = folder / "made.txt"
    return Counter(path.read_text().split() if path.exists() else ())


def test_results_go_to_the_tasks_that_need_them_and_are_made_once(tmp_path: Path) -> None:
    told: list[tuple[int, int, str]] = []
    results = run_tasks(tasks(tmp_path), tell=lambda *one: told.append(one))
    assert [results[f"double-{number}"] for number in range(6)] == [2 * number**2 for number in range(6)]
    assert [done for done, _, _ in told] == list(range(12)) and {total for _, total, _ in told} == {12}
    assert run_tasks(tasks(tmp_path)) == results and set(made(tmp_path).values()) == {1}
    assert {path.name for path in (tmp_path / "results").iterdir() if path.name.startswith(".")} == set()


def test_a_task_that_fails_lets_the_others_run(tmp_path: Path) -> None:
    several = [Task("bad", failing), Task("behind", doubled, (1,), needs="bad"), *tasks(tmp_path, 2)]
    with pytest.raises(ValueError, match="a task that fails"):
        run_tasks(several)
    assert made(tmp_path) == {"0": 1, "1": 1}


@pytest.mark.slow
def test_a_lost_worker_loses_nothing_but_time(tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    several = [*tasks(tmp_path), Task("lost", deadly, (str(tmp_path), 99))]
    results = run_tasks(several, workers=2)
    ended = (tmp_path / "ended.txt").read_text()
    assert results["lost"]["square"] == 99**2 and str(results["lost"]["process"]) != ended
    assert [results[f"double-{number}"] for number in range(6)] == [2 * number**2 for number in range(6)]
    assert made(tmp_path) == {str(number): 1 for number in (*range(6), 99)}, "nothing that was finished is made again"


@pytest.mark.slow
def test_a_task_that_ends_every_worker_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr("openwork.sweep.running.LOST_WORKERS", 1)
    with pytest.raises(RunningError, match="bad ended 1 workers that ran it: it may need more memory"):
        run_tasks([Task("bad", always_deadly)], workers=1)


@pytest.mark.slow
def test_a_scheduler_that_is_not_there_is_refused() -> None:
    pytest.importorskip("distributed")
    with pytest.raises(RunningError, match=r"there is no scheduler of Dask at tcp://127\.0\.0\.1:9"):
        run_tasks([Task("a", failing)], scheduler="tcp://127.0.0.1:9")
