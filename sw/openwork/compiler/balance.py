"""Shares rows among weight streams so that all streams end at about the same time."""

import heapq

import numpy as np
from numpy.typing import NDArray


def balance(lengths: NDArray[np.int64], lanes: int, streams: int) -> list[NDArray[np.int64]]:
    """Give every row to the stream with the fewest cycles so far, longest row first.

    A row costs max(nonzeros, lanes) cycles per local pixel. Of equal rows, and of equal streams, the lower number comes first.

    Args:
        lengths: int64 [rows], nonzeros per row.
        lanes: least cycles per row and local pixel.
        streams: number of streams.

    Returns:
        For each stream the numbers of its rows, shortest row first, because nothing delays the end of the first row.
        If there are fewer rows than streams, some streams get no row.
    """
    costs = np.maximum(lengths, lanes)
    heap = [(0, stream) for stream in range(streams)]
    parts: list[list[int]] = [[] for _ in range(streams)]
    for row in np.argsort(-costs, kind="stable").tolist():
        load, stream = heapq.heappop(heap)
        parts[stream].append(row)
        heapq.heappush(heap, (load + int(costs[row]), stream))
    return [np.array(sorted(part, key=lambda row: (int(lengths[row]), row)), dtype=np.int64) for part in parts]
