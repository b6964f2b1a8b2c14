"""The turns of a Qwen chat around one of our sequences: the same base ids in training, in an engine and on a server.

    <|im_start|>system\\nYou are a helpful assistant.<|im_end|>\\n
    <|im_start|>user\\n<|vision_start|> image <|vision_end|> question <|im_end|>\\n
    <|im_start|>assistant\\n <answer> ... </answer> <|im_end|>

Our sequence splits where `<think>` or `<answer>` opens: what stands before is the question, the rest is what
the assistant says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby

from ..vocabulary import ANSWER, THINK
from .base_vocabulary import BaseVocabulary

SYSTEM = "You are a helpful assistant."
"""what Qwen2.5-VL's own chat template puts where a chat has no system message"""
IMAGE, VISION_START, VISION_END = "<|image_pad|>", "<|vision_start|>", "<|vision_end|>"
START, END = "<|im_start|>", "<|im_end|>"


@dataclass(frozen=True)
class Chat:
    """Local sequences -> base ids, turn by turn."""

    vocabulary: BaseVocabulary

    @cached_property
    def image(self) -> int:
        """base id that stands once for each visual token"""
        return self.vocabulary.control(IMAGE)

    @cached_property
    def end(self) -> int:
        """base id that ends a turn: what a model says after `</answer>`"""
        return self.vocabulary.control(END)

    def opening(self, visual_tokens: int) -> list[int]:
        """Base ids up to and with the image, the same for every request about it; 0 visual tokens: no image."""
        word, control = self._text, self.vocabulary.control
        image = [control(VISION_START), *[self.image] * visual_tokens, control(VISION_END)] if visual_tokens else []
        return [control(START), *word(f"system\n{SYSTEM}"), *self.between(), *image]

    def between(self) -> list[int]:
        """Base ids from the end of one turn to the beginning of the user's next."""
        return [self.end, *self._text("\n"), self.vocabulary.control(START), *self._text("user\n")]

    def turns(self, ids: Sequence[int]) -> tuple[list[int], int]:
        """A local sequence -> base ids that follow the opening, and the shift of what the assistant says.

        The token at local index k, at or after the split, stands at k + shift of these base ids.
        """
        split = self.split(ids)
        asked = [*self._question(ids[:split]), self.end, *self._text("\n")]
        asked += [self.vocabulary.control(START), *self._text("assistant\n")]
        said: list[int] = self.vocabulary.base_ids[list(ids[split:])].tolist()
        return asked + said, len(asked) - split

    def split(self, ids: Sequence[int]) -> int:
        """Where in a local sequence the assistant's turn begins: at its first `<think>` or `<answer>`, or its end."""
        return next((at for at, token in enumerate(ids) if token in (THINK, ANSWER)), len(ids))

    def spelled(self, ids: Sequence[int]) -> tuple[str, str]:
        """A local sequence -> the texts of the user's and the assistant's turn, as a chat server takes them."""
        split = self.split(ids)
        return self.vocabulary.spell(ids[:split]), self.vocabulary.spell(ids[split:])

    def _question(self, ids: Sequence[int]) -> list[int]:
        """Text once more in one piece: a question is encoded part by part, a server reads it whole."""
        whole: list[int] = []
        for is_text, run in groupby(ids, self.vocabulary.is_text):
            tokens = list(run)
            whole += self.vocabulary.encode_text(self.vocabulary.decode_text(tokens)) if is_text else tokens
        return self.vocabulary.base_ids[whole].tolist()

    def _text(self, text: str) -> list[int]:
        return self.vocabulary.base_ids[self.vocabulary.encode_text(text)].tolist()
