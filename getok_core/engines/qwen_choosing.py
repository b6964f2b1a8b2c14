"""Which tokens follow, for a batch, on the device: the grammar's mask, the choice, its probabilities, what to try next.

The tokens are those of getok_core.decoding. Where the grammar leaves little choice it guesses the tokens after the one
just chosen; they are read in the same pass, and each is kept only if it is then chosen. A guess changes no answer. What
may follow each guess is worked out once, when it is made, and serves the pass that reads it.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from ..vocabulary import GRID_START, PAD
from .device_automaton import DONE, DeviceAutomaton, State


@dataclass(eq=False)
class Slots:
    """B answers on their way, in tensors that stay where they are."""

    feed: Tensor
    """(B, T) tokens to read next: the one chosen last, then guesses"""
    fed: Tensor
    """(B,) how many of them count"""
    place: Tensor
    """(B,) where in its row of the cache the first of them goes"""
    length: Tensor
    """(B,) tokens said"""
    ids: Tensor
    """(B, L + 1) what was said; the last column takes what does not count"""
    logp: Tensor
    """(B, L + 1, 3) before the mask, after it, and with the neighbours of a grid token"""
    temperature: Tensor
    """(B,) 0 for the likeliest token"""
    seed: Tensor
    """(B,)"""
    legal_begin: Tensor
    """(B,) False where an answer was begun with what its form does not allow"""
    over: Tensor
    """(1,) all answers are closed"""
    legal: Tensor
    """(B, T, V) what may follow each token of the feed"""
    state: State
    """(B, T, ..) where an answer stands after each token of the feed"""

    @classmethod
    def empty(cls, rows: int, width: int, tokens: int, automaton: DeviceAutomaton) -> Slots:
        """Room for so many rows, tokens read at once, and tokens said."""
        device = automaton.device

        def whole(*shape: int) -> Tensor:
            return torch.zeros(shape, dtype=torch.int64, device=device)

        def real(*shape: int) -> Tensor:
            return torch.zeros(shape, device=device)

        yes = torch.ones(rows, dtype=torch.bool, device=device)
        legal = torch.zeros(rows, width, automaton.vocabulary.size, dtype=torch.bool, device=device)
        state = State(*(torch.stack([one] * width, 1) for one in automaton.start(whole(rows), whole(rows))))
        return cls(whole(rows, width), whole(rows), whole(rows), whole(rows), whole(rows, tokens + 1),
                   real(rows, tokens + 1, 3), real(rows), whole(rows), yes, yes[:1].clone(), legal, state)  # fmt: skip

    def part(self, rows: int) -> Slots:
        """The first rows, the same memory."""
        views = {field.name: getattr(self, field.name)[:rows] for field in fields(self) if field.name != "state"}
        return Slots(**views, state=State(*(tensor[:rows] for tensor in self.state)))

    def keep(self, slot: int, state: State, legal: Tensor) -> None:
        """Takes over where answers stand after a token of the feed, and what may follow it, (B, V)."""
        for mine, new in zip((*self.state, self.legal), (*state, legal), strict=True):
            mine[:, slot] = new

    def after(self, slot: Tensor) -> State:
        """Where answers stand after tokens (B,) of the feed."""
        row = torch.arange(len(slot), device=slot.device)
        return State(*(tensor[row, slot] for tensor in self.state))


class Chooser:
    """Chooses for rows whose logits are known."""

    def __init__(self, automaton: DeviceAutomaton, width: int):
        """width: tokens read at once."""
        self.automaton = automaton
        n, device = automaton.vocabulary.n, automaton.device
        moves = torch.arange(-1, 2, device=device)
        self._down, self._across = moves.repeat_interleave(3), moves.repeat(3)
        self._slot = torch.arange(width, device=device)
        self._n = n

    def begin(self, slots: Slots, forms: Tensor, budgets: Tensor, begun: Tensor) -> None:
        """Answers of forms (B,) with budgets (B,), begun with tokens (B, K), `<pad>` where a row has fewer."""
        state = self.automaton.start(forms, budgets)
        fine = torch.ones_like(slots.legal_begin)
        for token in begun.unbind(1):
            given = token != PAD
            fine &= self.automaton.legal(state).gather(1, token[:, None])[:, 0] | ~given
            state = self.automaton.advance(state, token, given)
        slots.legal_begin.copy_(fine)
        slots.keep(0, state, self.automaton.legal(state))
        slots.length.zero_()
        slots.fed.fill_(1)

    def choose(self, slots: Slots, logits: Tensor, hot: bool) -> None:
        """Logits (B, T, V) of what was fed -> tokens said, the next feed. hot: some rows are sampled."""
        read = logits.shape[1]
        token, logp = self.pick(logits, slots.legal[:, :read], slots, hot)
        counts = self._counts(slots, token)
        said, outside = counts.sum(1), slots.ids.shape[1] - 1
        where = torch.where(counts, slots.length[:, None] + self._slot[:read], outside)
        slots.ids.scatter_(1, where, token)
        slots.logp.scatter_(1, where[..., None].expand(-1, -1, 3), logp)
        slots.length += said
        slots.place += said
        slot, going = (said - 1).clamp(min=0), said > 0
        last = torch.where(going, token.gather(1, slot[:, None])[:, 0], slots.feed[:, 0])
        state = self.automaton.advance(slots.after(slot), last, going)
        slots.over[:] = (state.at == DONE).all()
        self._guess(slots, state, last)

    def _counts(self, slots: Slots, token: Tensor) -> Tensor:
        """(B, T) True for chosen tokens that count: as long as those before them were guessed right."""
        read = token.shape[1]
        fine = slots.state.at[:, :read] != DONE
        right = (token[:, :-1] == slots.feed[:, 1:read]) & (self._slot[1:read] < slots.fed[:, None])
        fine[:, 1:] &= right
        return fine.long().cumprod(1) > 0

    def _guess(self, slots: Slots, state: State, last: Tensor) -> None:
        slots.feed.zero_()
        slots.feed[:, 0] = last
        slots.fed.fill_(1)
        legal, sure = self.automaton.legal(state), torch.ones_like(slots.legal_begin)
        slots.keep(0, state, legal)
        for slot in range(1, slots.feed.shape[1]):
            guess = self.automaton.guess(state, legal)
            sure = sure & (guess != PAD)
            slots.feed[:, slot] = torch.where(sure, guess, PAD)
            slots.fed += sure
            state = self.automaton.advance(state, guess, sure)
            legal = self.automaton.legal(state)
            slots.keep(slot, state, legal)

    def pick(self, logits: Tensor, legal: Tensor, slots: Slots, hot: bool) -> tuple[Tensor, Tensor]:
        """Logits (B, T, V) -> tokens (B, T) and their three log-probabilities (B, T, 3)."""
        logp = logits - logits.logsumexp(-1, keepdim=True)
        wanted = masked = logits.masked_fill(~legal, -torch.inf)
        if hot:
            warm, heat = (slots.temperature > 0)[:, None, None], slots.temperature[:, None, None]
            noisy = logp / torch.where(warm, heat, 1.0) + self._noise(slots, *logits.shape[1:])
            wanted = torch.where(warm, noisy.masked_fill(~legal, -torch.inf), masked)
        token = wanted.argmax(-1)
        chosen = logp.gather(-1, token[..., None])[..., 0]
        # All legal tokens at minus infinity, or logits that are no numbers: the first legal one.
        lost = ~legal.gather(-1, token[..., None])[..., 0] | chosen.isnan()
        token = torch.where(lost, legal.long().argmax(-1), token)
        chosen = logp.gather(-1, token[..., None])[..., 0]
        of_legal = chosen - logp.masked_fill(~legal, -torch.inf).logsumexp(-1)
        return token, torch.stack([chosen, of_legal, self._near(logp, token, chosen)], dim=-1)

    def _near(self, logp: Tensor, token: Tensor, chosen: Tensor) -> Tensor:
        """Log of the mass on a grid token and its eight neighbours; of any other token its own."""
        n, cell = self._n, token - GRID_START
        grid = (cell >= 0) & (cell < n * n)
        row, column = (cell // n)[..., None] + self._down, (cell % n)[..., None] + self._across
        inside = (row >= 0) & (row < n) & (column >= 0) & (column < n) & grid[..., None]
        around = logp.gather(-1, torch.where(inside, GRID_START + row * n + column, 0))
        mass = around.masked_fill(~inside, -torch.inf).logsumexp(-1).clamp(max=0.0)
        return torch.where(grid, mass, chosen)

    def _noise(self, slots: Slots, read: int, size: int) -> Tensor:
        """(B, T, V) of Gumbel noise that depends on a row's seed, the token's place and its id alone."""
        ids = torch.arange(size, device=slots.seed.device)
        place = slots.length[:, None] + self._slot[:read]
        x = (slots.seed[:, None] * 0x9E3779B1 + place * 0x85EBCA6B)[..., None] + ids * 0xC2B2AE35
        for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35), (16, 1)):
            x = x & 0xFFFFFFFF
            x = (x ^ (x >> shift)) * factor
        uniform = ((x & 0xFFFFFFFF).double() + 0.5) / 2**32
        return -(-uniform.log()).log().float()
