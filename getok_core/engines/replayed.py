"""Work on tensors that stay where they are: captured once as a CUDA graph and replayed, on a CPU simply done again.

A step of a large model is some thousand small kernels; launched one by one they take longer than the arithmetic.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Hashable
from functools import cache
from typing import Any

import torch

WARM_UPS = 3
"""calls before a capture: libraries choose their kernels and allocate what they keep"""


class Replayed:
    """A function without arguments or result, which reads and writes tensors that outlive it."""

    def __init__(self, work: Callable[[], None], device: torch.device, pool: Any = None):
        """On a GPU the work is done some times here: what it writes must not matter yet.

        pool: memory that graphs share which are never replayed at once and leave nothing in it.
        """
        self._work, self._graph = work, None
        if device.type == "cuda":
            _warm(work, device)
            try:
                self._graph = _captured(work, device, pool)
            except torch.OutOfMemoryError:
                raise
            except RuntimeError as error:  # what a driver refuses to capture it can still do
                first = str(error).strip().splitlines()[0]
                warnings.warn(f"a piece of work runs kernel by kernel, not as a CUDA graph: {first}", stacklevel=2)

    def __call__(self) -> None:
        """Does the work. On a GPU it is only queued: nothing waits."""
        if self._graph is not None:
            self._graph.replay()
        else:
            self._work()


class Replays:
    """One Replayed for each shape of work, made when that shape is first met."""

    def __init__(self, device: torch.device):
        self._device = device
        self._known: dict[Hashable, Replayed] = {}
        self._pool = self._new_pool()

    def of(self, shape: Hashable, make: Callable[[], Callable[[], None]]) -> Replayed:
        """The work of this shape; `make` gives it where it is new. Call it before what the work writes matters."""
        if shape not in self._known:
            self._known[shape] = Replayed(make(), self._device, self._pool)
        return self._known[shape]

    def __len__(self) -> int:
        return len(self._known)

    def clear(self) -> None:
        """Forgets all, with the memory that graphs hold."""
        self._known.clear()
        self._pool = self._new_pool()  # one whose graphs are all gone cannot be used again

    def _new_pool(self) -> Any:
        return torch.cuda.graph_pool_handle() if self._device.type == "cuda" else None


@cache
def _aside(device: torch.device) -> torch.cuda.Stream:
    """One for all: the libraries' work space, some 32 MiB on each stream, is then taken once."""
    return torch.cuda.Stream(device)


def _warm(work: Callable[[], None], device: torch.device) -> None:
    with torch.cuda.device(device):
        aside = _aside(device)
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(WARM_UPS):
                work()
        torch.cuda.current_stream().wait_stream(aside)


def _captured(work: Callable[[], None], device: torch.device, pool: Any) -> torch.cuda.CUDAGraph:
    with torch.cuda.device(device):
        before, graph = torch.cuda.current_stream(), torch.cuda.CUDAGraph()
        try:
            # What other threads do with the GPU meanwhile, such as a segmenter's, must not spoil the capture.
            with torch.cuda.graph(graph, pool=pool, capture_error_mode="thread_local"):
                work()
        finally:
            torch.cuda.set_stream(before)  # a capture that fails leaves its own stream as the current one
    return graph
