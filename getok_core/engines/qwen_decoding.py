"""All requests of a frame as one batch over its prefix, without the host in the loop: prompts in one pass, then steps.

A pass or a step of a known shape is a CUDA graph (replayed.py). Up to the steps that the last batch of this size took,
the host queues the next one before it looks at the last, so that the GPU does not wait for it; from then on it looks
first, because a step too many costs more than a look. On a CPU the same work is simply done.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from ..form_tables import form_tables
from ..protocol import Limits, Reply, Request
from ..syntax import AnswerForm
from .device_automaton import DONE, MOST_LINES, DeviceAutomaton
from .qwen_choosing import Chooser, Slots
from .qwen_language import Cache, Write
from .qwen_network import MOST_PLACES, QwenNetwork
from .qwen_passes import Passes, least
from .replayed import Replayed, Replays

ROWS = (1, 4, 8, 16, 32)
"""sizes of a batch; a smaller one is filled up"""
PLACES = (128, 256, 512, 1024, MOST_PLACES)
"""places of the cache that a step looks at"""
BEGUN = (0, 8, 32)
"""tokens that answers have begun with"""
FORMS = 48
"""forms held at once"""
GUESSES = 2
"""tokens tried after the one chosen"""


def followed(request: Request) -> bool:
    """True when the device can follow a request; the others are decoded by the host."""
    plain = request.draft is None and request.sampling.constrained
    return plain and request.form.instances <= MOST_LINES and len(request.begun) <= BEGUN[-1]


class Decoder:
    """Decodes for one network; its tensors are made for the largest batch met so far."""

    def __init__(self, network: QwenNetwork, passes: Passes, replays: Replays, guesses: int = GUESSES):
        self.network, self.passes, self._replays, self._width = network, passes, replays, 1 + guesses
        self.automaton = DeviceAutomaton(network.vocabulary, network.device)
        self.chooser = Chooser(self.automaton, self._width)
        self._compiled = False
        self._forms: dict[AnswerForm, int] = {}
        self._rows = self._places = self._tokens = 0
        self._usual: dict[int, int] = {}
        """rows -> steps of the last batch with so many"""
        self.steps = self.all_steps = 0
        """steps of the last batch, and of all"""

    def compile(self) -> None:
        """Lets torch fuse the hundreds of small kernels that follow the grammar. Graphs are made anew."""
        self._compiled = True
        self._replays.clear()

    def prepare(self, forms: Sequence[AnswerForm], longest: int, tokens: int) -> None:
        """Makes what batches of these forms replay, so that no frame waits for a graph.

        longest: tokens of a prompt; tokens: of an answer.
        """
        self.make_room(ROWS[-1], longest + tokens + self._width, tokens)
        self._hold(forms)
        for rows in ROWS:
            for known in BEGUN[:-1]:
                self._works(self._slots.part(rows), known, hot=False)
        self.passes.prepare(self._cache, self._ends)

    def propose(self, requests: Sequence[Request], limits: Limits) -> list[Reply]:
        """Answers in the order of the requests, which are about the image in work and can be followed."""
        began, replies = time.monotonic(), list[Reply]()
        for start in range(0, len(requests), ROWS[-1]):
            replies += self._batch(requests[start : start + ROWS[-1]], limits, began)
        return replies

    def _batch(self, requests: Sequence[Request], limits: Limits, began: float) -> list[Reply]:
        prompts = [self.network.chat.turns([*one.prompt, *one.begun])[0] for one in requests]
        rows, longest = least(ROWS, len(requests)), max(map(len, prompts))
        hot = any(one.sampling.temperature > 0 for one in requests)
        self.make_room(rows, longest + limits.tokens + self._width, limits.tokens)
        self._hold([one.form for one in requests])
        slots = self._slots.part(rows)
        known = least(BEGUN, max(len(one.begun) for one in requests))
        begin, step_of = self._works(slots, known, hot)
        self.set_up(slots, requests, prompts, limits)
        self.passes.fill(prompts, self._cache, self._ends)
        begin()
        watch, self.steps = Watch(slots.over), 0
        usual = self._usual.get(rows, 0) if slots.over.is_cuda else 0
        while not watch.over(ahead=self.steps + 1 < usual):
            if limits.deadline_s is not None and time.monotonic() - began > limits.deadline_s:
                break
            reached = longest + (self.steps + 1) * self._width
            step_of[least(PLACES, min(reached, self._places))]()
            self.steps += 1
        self.all_steps += self.steps
        self._usual[rows] = self.steps
        return self._replies(slots, requests, limits, began)

    # -- tensors ---------------------------------------------------------------------------------------------------

    def make_room(self, rows: int, places: int, tokens: int) -> None:
        """Larger tensors where those that are there are too small; graphs then have to be made anew."""
        if rows <= self._rows and places <= self._places and tokens <= self._tokens:
            return
        self._replays.clear()
        self._rows, self._tokens = max(rows, self._rows), max(tokens, self._tokens)
        self._places = least(PLACES, max(places, self._places))
        language, device = self.network.language, self.network.device
        self._cache = language.cache(self._rows + 1, self._places)
        self._ends = torch.zeros(self._rows + 1, language.width, dtype=language.dtype, device=device)
        self._asked = torch.zeros(2 + BEGUN[-1], self._rows, dtype=torch.int64, device=device)
        self._forms = {}
        self._hold([AnswerForm("text")])
        self._slots = Slots.empty(self._rows, self._width, self._tokens, self.automaton)

    def _hold(self, forms: Sequence[AnswerForm]) -> None:
        """Makes the automaton know these forms."""
        if new := [form for form in dict.fromkeys(forms) if form not in self._forms]:
            kept = [] if len(self._forms) + len(new) > FORMS else list(self._forms)
            every = list(dict.fromkeys([*kept, *forms]))
            self._forms = {form: row for row, form in enumerate(every)}
            if self.automaton.hold(form_tables(every, self.network.vocabulary)):
                self._replays.clear()

    def set_up(
        self, slots: Slots, requests: Sequence[Request], prompts: Sequence[Sequence[int]], limits: Limits
    ) -> None:
        """What a batch starts from. A row that fills it up has a budget of one token, which is `</answer>`."""
        rows = len(slots.length)
        asked = np.zeros((2 + BEGUN[-1], rows), np.int64)
        asked[1] = 1
        place, seed, temperature = np.zeros(rows, np.int64), np.zeros(rows, np.int64), np.zeros(rows, np.float32)
        for row, (one, prompt) in enumerate(zip(requests, prompts, strict=True)):
            asked[:2, row] = self._forms[one.form], limits.tokens + len(one.begun)
            asked[2 : 2 + len(one.begun), row] = one.begun
            place[row] = len(prompt) - 1
            seed[row], temperature[row] = one.sampling.seed & 0x7FFFFFFF, one.sampling.temperature
        for into, array in ((self._asked[:, :rows], asked), (slots.place, place), (slots.seed, seed),
                            (slots.temperature, temperature)):  # fmt: skip
            into.copy_(torch.from_numpy(array), non_blocking=True)

    # -- work that is replayed -----------------------------------------------------------------------------------------

    def _works(self, slots: Slots, known: int, hot: bool) -> tuple[Replayed, dict[int, Replayed]]:
        """The beginning of a batch, and its step for each number of places."""
        rows, of = len(slots.length), self._replays.of
        begin = of(("begin", rows, known, hot), lambda: self._begin(slots, known, hot))
        every = [places for places in PLACES if places <= self._places]
        steps = {n: of(("step", rows, n, hot), lambda n=n: self._step(slots, n, hot)) for n in every}
        return begin, steps

    def _begin(self, slots: Slots, known: int, hot: bool) -> Callable[[], None]:
        rows = len(slots.length)

        def work() -> None:
            asked = self._asked[:, :rows]
            self.chooser.begin(slots, asked[0], asked[1], asked[2 : 2 + known].T)
            self.chooser.choose(slots, self.network.logits(self._ends[:rows, None]), hot)

        return work

    def _step(self, slots: Slots, places: int, hot: bool) -> Callable[[], None]:
        rows, cache = len(slots.length), Cache(self._cache.keys[..., :places, :], self._cache.values[..., :places, :])
        device = self.network.device
        # Not in _begin, which runs once: the compiler takes a minute for each number of tokens chosen at once.
        choose = torch.compile(self.chooser.choose) if self._compiled else self.chooser.choose
        row = torch.arange(rows, device=device)[:, None].expand(-1, self._width)
        after, every = torch.arange(self._width, device=device), torch.arange(places, device=device)

        def work() -> None:
            place = (slots.place[:, None] + after).clamp(max=places - 1)
            ids = self.network.base_ids[slots.feed]
            write = Write(cache, row, place, read_back=True)
            seen = every <= place[..., None]
            states = self.network.language.read(
                ids, place + self.network.base_position, self.passes.prefix, seen, write
            )
            choose(slots, self.network.logits(states), hot)

        return work

    # -- what was said -------------------------------------------------------------------------------------------------

    def _replies(self, slots: Slots, requests: Sequence[Request], limits: Limits, began: float) -> list[Reply]:
        length, done = slots.length.cpu().numpy(), (slots.state.at[:, 0] == DONE).cpu().numpy()
        ids, logp = slots.ids.cpu().numpy(), slots.logp.cpu().numpy().astype(np.float64)
        if not slots.legal_begin.all():
            row = int(slots.legal_begin.long().argmin())
            raise ValueError(f"{self.network.vocabulary.spell(requests[row].begun)!r} begins no answer of its form")
        seconds, replies = time.monotonic() - began, list[Reply]()
        for row in range(len(requests)):
            size = int(length[row])
            stop = ("cap" if size >= limits.tokens else "end") if done[row] else "deadline"
            values = logp[row, :size]
            said = np.array(ids[row, :size], np.int64)  # a copy: the next batch writes over it
            replies.append(Reply(said, values[:, 0], values[:, 1], values[:, 2], stop, seconds))
        return replies


class Watch:
    """Tells whether a flag on a device is set, or was a step ago."""

    def __init__(self, flag: Tensor):
        self._flag = flag
        self._queued: deque[tuple[Tensor, torch.cuda.Event | None]] = deque()

    def over(self, ahead: bool) -> bool:
        """Call it after each step. ahead: of the step before, so that the newest is not waited for."""
        self._queued.append(self._copied())
        while len(self._queued) > ahead:
            copy, event = self._queued.popleft()
            if event is not None:
                event.synchronize()
            if copy:
                return True
        return False

    def _copied(self) -> tuple[Tensor, torch.cuda.Event | None]:
        if not self._flag.is_cuda:
            return self._flag.clone(), None
        copy, event = torch.empty(1, dtype=torch.bool, pin_memory=True), torch.cuda.Event()
        copy.copy_(self._flag, non_blocking=True)
        event.record()
        return copy, event
