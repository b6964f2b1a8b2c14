"""Samples kept where the network trains, so that it never waits: workers replace the oldest, batches are random draws.

A GPU trains on several times as many samples a second as CPU cores can render. Each stays a while and is drawn several
times, with another pack of requests, other light, and the network's own earlier answers as the proposal to refine.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any, Generic, NamedTuple, TypeVar

import torch
from torch import Tensor

from getok_core.errors import GetokError

from .feed import Block

SLOTS_AHEAD = 24
"""blocks that may wait for the training thread"""
PACKED = ("ids", "segment", "position", "targets", "goals", "links", "aims")
"""fields of a block that have one row a pack"""
Columns = TypeVar("Columns", bound=tuple[Any, ...])


class Batch(NamedTuple):
    """B images with one pack of T text tokens each; fields as in feed.Block without its pack axis."""

    image: Tensor
    ids: Tensor
    segment: Tensor
    position: Tensor
    targets: Tensor
    goals: Tensor
    links: Tensor
    aims: Tensor
    dense: Tensor
    dense_known: Tensor
    said: Tensor
    """(B, T) cell that the network named at this place when it last saw the pack, -1 where none"""
    slots: Tensor
    """(B,) where the samples live"""
    packs: Tensor
    """(B,) which of their packs was drawn"""


class Shelf(Generic[Columns]):
    """Up to `capacity` samples on a device; a block is a NamedTuple of tensors whose first axis counts samples."""

    def __init__(self, capacity: int, device: torch.device, seed: int = 0):
        self.capacity, self.device = capacity, device
        self.added = 0
        """samples ever added; the newest min(added, capacity) are here"""
        self.random = torch.Generator(device).manual_seed(seed)
        self._columns: list[Tensor] = []
        self._kind: Callable[..., Columns] | None = None

    def __len__(self) -> int:
        return min(self.added, self.capacity)

    def add(self, block: Columns) -> Tensor:
        """Puts a block in the place of the oldest samples; returns their slots."""
        if self._kind is None:
            self._kind = type(block)
            self._columns = [torch.empty(self.capacity, *t.shape[1:], dtype=t.dtype, device=self.device) for t in block]
        count = len(block[0])
        slots = ((self.added + torch.arange(count)) % self.capacity).to(self.device, non_blocking=True)
        for column, new in zip(self._columns, block, strict=True):
            column.index_copy_(0, slots, new.to(self.device, non_blocking=True))
        self.added += count
        return slots

    def slots(self, count: int) -> Tensor:
        """Random slots (count,) of samples that are here."""
        return torch.randint(len(self), (count,), device=self.device, generator=self.random)

    def at(self, slots: Tensor) -> Columns:
        """The samples in these slots."""
        assert self._kind is not None, "nothing was added yet"
        return self._kind(*(column[slots] for column in self._columns))


class Pool(Shelf[Block]):
    """The nano's samples, and what the network itself last said of each pack."""

    def add(self, block: Block) -> Tensor:
        if not len(self):
            self._said = torch.full((self.capacity, *block.ids.shape[1:]), -1, dtype=torch.int16, device=self.device)
        slots = super().add(block)
        self._said.index_fill_(0, slots, -1)
        return slots

    def draw(self, count: int) -> Batch:
        """A random batch of those that are here, one pack of each."""
        slots = self.slots(count)
        drawn, rows = self.at(slots), torch.arange(count, device=self.device)
        packs = torch.randint(drawn.ids.shape[1], (count,), device=self.device, generator=self.random)
        packed = {name: getattr(drawn, name)[rows, packs] for name in PACKED}
        return Batch(drawn.image, **packed, dense=drawn.dense, dense_known=drawn.dense_known,
                     said=self._said[slots, packs].long(), slots=slots, packs=packs)  # fmt: skip

    def remember(self, batch: Batch, said: Tensor) -> None:
        """Keeps the cells (B, T) that the network named for the batch's packs, -1 where none was asked."""
        self._said[batch.slots, batch.packs] = said.to(torch.int16)


class Filler(threading.Thread, Generic[Columns]):
    """Takes blocks from the workers and keeps a few ready, in memory from which a GPU copies while it computes."""

    def __init__(self, stream: Iterator[Columns], pin: bool):
        super().__init__(daemon=True, name="filler")
        self._stream, self._pin = stream, pin
        self._ready: queue.Queue[Columns | Exception] = queue.Queue(SLOTS_AHEAD)
        self._stopped = threading.Event()

    def run(self) -> None:
        try:
            for block in self._stream:
                if self._stopped.is_set():
                    return
                self._put(type(block)(*(t.pin_memory() for t in block)) if self._pin else block)
        except Exception as error:  # carried to the training thread, which raises it
            self._put(error)

    def _put(self, item: Columns | Exception) -> None:
        while not self._stopped.is_set():
            try:
                return self._ready.put(item, timeout=0.2)
            except queue.Full:
                continue

    def fill(self, pool: Shelf[Columns], wait: bool) -> int:
        """Adds what is ready to the pool, waiting for one block if asked to; returns how many samples came."""
        came = 0
        while wait or not self._ready.empty():
            item = self._ready.get()
            if isinstance(item, GetokError):
                raise item
            if isinstance(item, Exception):
                raise GetokError(f"a worker that makes samples failed: {item}") from item
            pool.add(item)
            came, wait = came + len(item[0]), False
        return came

    def stop(self) -> None:
        """Ends the thread after the block in work."""
        self._stopped.set()
        self.join(timeout=60)
