"""Rows over streams, so that all streams end together."""

import heapq

import numpy as np
from numpy.typing import NDArray


def balance(lengths: NDArray[np.int64], lanes: int, streams: int) -> list[NDArray[np.int64]]:
    """Give every row to the stream that has the least to do, longest row first.

    A row costs max(nonzeros, lanes) cycles for a pixel. Equal rows go by number, equal streams too.

    Args:
        lengths: int64 [rows], nonzeros of each row.

    Returns:
        For each stream the numbers of its rows, shortest row first: no drain before it holds the first one up.
        A stream gets none where there are fewer rows than streams.
    """
    costs = np.maximum(lengths, lanes)
    heap = [(0, stream) for stream in range(streams)]
    parts: list[list[int]] = [[] for _ in range(streams)]
    for row in np.argsort(-costs, kind="stable").tolist():
        load, stream = heapq.heappop(heap)
        parts[stream].append(row)
        heapq.heappush(heap, (load + int(costs[row]), stream))
    return [np.array(sorted(part, key=lambda row: (int(lengths[row]), row)), dtype=np.int64) for part in parts]
