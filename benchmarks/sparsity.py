"""x"""
from collections.abc import Iterable, Sequence
from pathlib import Path
import time, sys

ROOT = Path(__file__).resolve().parents[1]
CHECKPOINTS = ROOT / "build" / "sparsity"
CHECKPOINTS.mkdir(parents=True, exist_ok=True)

def counting(steps, title):
    start = time.time()
    for i, s in enumerate(steps):
        yield s
        if i % 20 == 0: print(title, i, len(steps), round(time.time()-start), flush=True)
