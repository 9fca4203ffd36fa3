"""Runs tasks that depend on each other: in this process, on the cores of this machine, or on a cluster of Dask.

A task is a function of this package or of another one that workers can import, with arguments that can be pickled. A task is
known by its name; its result goes to the tasks that need it.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from openwork_hw.arch.refusal import Refusal

if TYPE_CHECKING:
    from distributed import Client

LOST_WORKERS = 10
"""How many workers may be lost while they run one task before the task itself is held to be the reason."""

Tell = Callable[[int, int, str], None]
"""Is told how many tasks are done, of how many, and the name of the last one."""


class RunningError(Refusal):
    """A cluster that cannot be used, or a task that ends every worker which runs it."""


@dataclass(frozen=True)
class Task:
    """Something to be done once.

    Attributes:
        name: no other task has it.
        function: of `arguments`, and behind them of the result of `needs`, if there is one.
        arguments: that can be pickled.
        needs: the name of the task whose result the function takes; empty for none. That task stands before this one.
        size: how long the task takes beside others; long tasks begin first.
    """

    name: str
    function: Callable[..., Any]
    arguments: tuple[Any, ...] = ()
    needs: str = ""
    size: float = 1.0


def run_tasks(
    tasks: Sequence[Task], *, workers: int = 0, scheduler: str = "", tell: Tell | None = None
) -> dict[str, Any]:
    """The results of all tasks, by name.

    If a worker is lost, another one does its tasks again. If a task raises, the others are still run, and then the first exception
    is raised.

    Args:
        tasks: in an order in which each stands behind the task that it needs.
        workers: processes on this machine; 0 runs everything in this process, without Dask.
        scheduler: address of a scheduler of Dask, as in tcp://10.0.0.1:8786; then `workers` does not count.
        tell: is told how far the work is.

    Raises:
        RunningError: there is no scheduler at the address, or a task ended ten workers.
    """
    told = tell or (lambda _done, _total, _what: None)
    if not tasks:
        return {}
    if not workers and not scheduler:
        return _here(tasks, told)
    with _client(workers, scheduler) as client:
        return _on(client, tasks, told)


def _here(tasks: Sequence[Task], tell: Tell) -> dict[str, Any]:
    results: dict[str, Any] = {}
    first: Exception | None = None
    for done, task in enumerate(tasks):
        tell(done, len(tasks), task.name)
        if task.needs and task.needs not in results:
            continue  # that task raised
        try:
            results[task.name] = task.function(*task.arguments, *([results[task.needs]] if task.needs else []))
        except Exception as error:
            first = first or error
    if first is not None:
        raise first
    return results


@contextmanager
def _client(workers: int, scheduler: str) -> "Iterator[Client]":
    import dask
    from distributed import Client, LocalCluster

    settings = {"distributed.scheduler.allowed-failures": LOST_WORKERS, "distributed.logging.distributed": "error"}
    with dask.config.set(settings):
        if scheduler:
            try:
                client = Client(scheduler, timeout="20s")
            except (OSError, ValueError) as error:
                first = str(error).strip().partition("\n")[0]
                raise RunningError(f"there is no scheduler of Dask at {scheduler}: {first}") from None
            with client:
                yield client
            return
        # One thread per worker: a task keeps a core busy, and torch's threads would wait for each other.
        cluster = LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None, silence_logs=50)
        with cluster, Client(cluster) as client:
            yield client


def _on(client: "Client", tasks: Sequence[Task], tell: Tell) -> dict[str, Any]:
    from distributed import as_completed
    from distributed.scheduler import KilledWorker

    futures: dict[str, Any] = {}
    for task in tasks:
        needed = [futures[task.needs]] if task.needs else []
        futures[task.name] = client.submit(
            task.function, *task.arguments, *needed, key=task.name, pure=False, priority=task.size
        )
    names = {future.key: name for name, future in futures.items()}
    results: dict[str, Any] = {}
    first: BaseException | None = None
    tell(0, len(tasks), "waiting for workers")
    for done, future in enumerate(as_completed(futures.values()), 1):
        name = names[future.key]
        if future.status == "finished":
            results[name] = future.result()
        elif isinstance(error := future.exception(), KilledWorker):
            first = first or RunningError(
                f"{name} ended {LOST_WORKERS} workers that ran it: it may need more memory than they have; use fewer --workers"
            )
        else:
            first = first or error
        tell(done, len(tasks), name)
    if first is not None:
        raise first
    return results
