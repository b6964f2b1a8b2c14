"""No grammar at all: what an answer is like when nothing holds a model to the language. A control for training."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from .automaton import Legal
from .vocabulary import END_ANSWER, PAD, Vocabulary


class Unconstrained:
    """Follows one answer as automaton.Automaton does; every token but `<pad>` is legal until `</answer>`."""

    def __init__(self, vocabulary: Vocabulary, budget: int) -> None:
        """budget: how many tokens may still come; the last of them need not be `</answer>`."""
        self.vocabulary, self.left, self.ended = vocabulary, budget, False

    @property
    def done(self) -> bool:
        return self.ended or self.left <= 0

    @cached_property
    def _any(self) -> Legal:
        mask = np.ones(self.vocabulary.size, np.bool_)
        mask[PAD] = False
        return mask

    def legal(self) -> Legal:
        """(size,) bool. All False once done."""
        return np.zeros_like(self._any) if self.done else self._any

    def advance(self, token: int) -> None:
        """Takes the token chosen."""
        self.left -= 1
        self.ended = token == END_ANSWER
