"""Constrained decoding of a batch of requests over one picture, whatever runs the network.

The loop knows the grammar and the limits; a Stepper knows the network and its caches.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol, Union

import numpy as np
from numpy.typing import NDArray

from .automaton import Automaton, OffsetAutomaton
from .protocol import Limits, Reply, Request
from .refine import Draft
from .unconstrained import Unconstrained
from .vocabulary import DELETE, GRID_START, Vocabulary

Logits = NDArray[np.float32]
Follower = Union[Automaton, OffsetAutomaton, Unconstrained]
"""knows which tokens may come next in one answer"""


class Stepper(Protocol):
    """Runs the network for a batch of sequences."""

    def start(self, prompts: Sequence[Sequence[int]]) -> Logits:
        """Prompts of B sequences -> logits (B, V) of what follows each."""
        ...

    def step(self, rows: NDArray[np.int64], tokens: NDArray[np.int64]) -> Logits:
        """Keeps only `rows` (K,) of the batch as it was, appends a token to each -> logits (K, V)."""
        ...


@dataclass
class _Sequence:
    automaton: Follower
    rng: np.random.Generator | None
    temperature: float
    ids: list[int] = field(default_factory=list[int])
    logp: list[tuple[float, float, float]] = field(default_factory=list[tuple[float, float, float]])


def decode(stepper: Stepper, requests: Sequence[Request], vocabulary: Vocabulary, limits: Limits) -> list[Reply]:
    """Runs all requests side by side until each has closed its answer, or the deadline has passed."""
    began = time.monotonic()
    every = [_begin(request, vocabulary, limits) for request in requests]
    active = list(range(len(every)))
    late = False
    logits = stepper.start([[*request.prompt, *request.begun] for request in requests])
    while True:
        for sequence, row in zip((every[index] for index in active), logits, strict=True):
            _choose(sequence, row, vocabulary)
        going = [at for at, index in enumerate(active) if not every[index].automaton.done]
        late = limits.deadline_s is not None and time.monotonic() - began > limits.deadline_s
        if not going or late:
            break
        active = [active[at] for at in going]
        logits = stepper.step(np.asarray(going), np.asarray([every[index].ids[-1] for index in active]))
    seconds = time.monotonic() - began
    return [_reply(sequence, limits, seconds) for sequence in every]


def by_frame(frames: int, asked: Sequence[Request | Draft]) -> Iterator[tuple[int, list[int]]]:
    """For each of so many opened frames that something asks about: its index and the indices of what asks.

    Raises ValueError when something names a frame that was not opened.
    """
    for one in asked:
        if not 0 <= one.frame < frames:
            raise ValueError(f"frame {one.frame} was not opened: there are {frames}")
    for frame in range(frames):
        mine = [index for index, one in enumerate(asked) if one.frame == frame]
        if mine:
            yield frame, mine


def decode_frames(
    steppers: Sequence[Stepper], requests: Sequence[Request], vocabulary: Vocabulary, limits: Limits
) -> list[Reply]:
    """Replies in the order of the requests; those about one frame are decoded as one batch. Raises as by_frame."""
    replies: dict[int, Reply] = {}
    for frame, mine in by_frame(len(steppers), requests):
        answers = decode(steppers[frame], [requests[index] for index in mine], vocabulary, limits)
        replies.update(zip(mine, answers, strict=True))
    return [replies[index] for index in range(len(requests))]


def follower(request: Request, vocabulary: Vocabulary, limits: Limits) -> Follower:
    """What says which tokens may follow a request, after what it has begun with."""
    budget = limits.tokens + len(request.begun)
    if not request.sampling.constrained:
        automaton = Unconstrained(vocabulary, budget)
    elif request.draft is not None:
        automaton = OffsetAutomaton(request.draft, vocabulary)
    else:
        automaton = Automaton(request.form, vocabulary, budget)
    for token in request.begun:
        automaton.advance(token)
    return automaton


def _begin(request: Request, vocabulary: Vocabulary, limits: Limits) -> _Sequence:
    hot = request.sampling.temperature > 0
    rng = np.random.default_rng(request.sampling.seed) if hot else None
    return _Sequence(follower(request, vocabulary, limits), rng, request.sampling.temperature)


def _choose(sequence: _Sequence, logits: Logits, vocabulary: Vocabulary) -> None:
    legal = sequence.automaton.legal()
    wide = logits.astype(np.float64)
    logp = wide - log_sum_exp(wide)
    masked = np.where(legal, logp, -np.inf)
    if sequence.rng is None:
        token = int(masked.argmax())
        offsets = masked[DELETE + 1 :]
        if token == DELETE and masked[DELETE] <= log_sum_exp(offsets):
            token += 1 + int(offsets.argmax())  # a vertex goes only where that outweighs all offsets, as in one pass
    else:
        noise = sequence.rng.gumbel(size=masked.shape)
        token = int((masked / sequence.temperature + noise).argmax())
    if not legal[token]:  # every legal token at minus infinity, or the logits are no numbers
        token = int(legal.argmax())
    legal_logp = masked[token] - log_sum_exp(masked[legal])
    sequence.ids.append(token)
    sequence.logp.append((float(logp[token]), float(legal_logp), near_logp(logp, token, vocabulary)))
    sequence.automaton.advance(token)


def near_logp(logp: NDArray[np.float64], token: int, vocabulary: Vocabulary) -> float:
    """Log of the mass on a grid token and its eight neighbours; for any other token its own log-probability."""
    if not vocabulary.is_grid(token):
        return float(logp[token])
    n = vocabulary.n
    row, column = divmod(token - GRID_START, n)
    plane = logp[GRID_START : GRID_START + n * n].reshape(n, n)
    around = plane[max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2]
    return min(0.0, log_sum_exp(around))


def log_sum_exp(values: NDArray[np.float64]) -> float:
    """Log of the sum of exponentials; as np.logaddexp.reduce, in a tenth of its time."""
    most = float(values.max())
    return most + float(np.log(np.exp(values - most).sum())) if np.isfinite(most) else most


def _reply(sequence: _Sequence, limits: Limits, seconds: float) -> Reply:
    ids = np.asarray(sequence.ids, np.int64)
    closed = "end" if isinstance(sequence.automaton, OffsetAutomaton) or len(ids) < limits.tokens else "cap"
    stop = closed if sequence.automaton.done else "deadline"
    logp = np.asarray(sequence.logp, np.float64).reshape(-1, 3)
    return Reply(ids, logp[:, 0], logp[:, 1], logp[:, 2], stop, seconds)
