"""A Qwen2.5-VL shape with random weights that draws the forced scene: what the rows of a large shape are timed on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..engines.qwen_choosing import Chooser, Slots
from ..engines.qwen_decoding import Decoder
from ..engines.qwen_network import QwenNetwork
from ..engines.qwen_pixels import Pixels
from ..engines.torch_engine import TorchEngine
from ..grammar import parse
from ..lattice import Size
from ..manifest import Manifest
from ..protocol import Engine, Limits, Reply, Request
from ..queries import PROMPT_VERSION
from ..refine import Draft
from ..view import RGB
from ..vocabulary import PAD
from .forced_scene import ForcedScene, Script
from .large_network import random_model, random_vocabulary, rows_of
from .table import timed

VIEWS: dict[str, Size] = {"tiny": (112, 112), "3b": (896, 896), "7b": (896, 896)}
CAMERA: Size = (1280, 720)
TOKENS = 160


class ScriptedChooser(Chooser):
    """Does all the work of choosing, and then says what the script says."""

    script: Tensor

    def pick(self, logits: Tensor, legal: Tensor, slots: Slots, hot: bool) -> tuple[Tensor, Tensor]:
        token, logp = super().pick(logits, legal, slots, hot)
        wanted = self.script[: len(token)].gather(1, slots.length[:, None] + self._slot[: token.shape[1]])
        return torch.where(wanted != PAD, wanted, token), logp


class ScriptedDecoder(Decoder):
    """Answers of forced length and content, so that random weights draw the scene."""

    def __init__(self, engine: TorchEngine, network: QwenNetwork, script: Script):
        super().__init__(network, engine.passes, engine.replays)
        self.scripted = ScriptedChooser(self.automaton, self._width)
        self.scripted.script = torch.zeros(32, 4 * TOKENS, dtype=torch.int64, device=network.device)
        self.chooser, self._script = self.scripted, script
        self.batches = 0

    def set_up(
        self, slots: Slots, requests: Sequence[Request], prompts: Sequence[Sequence[int]], limits: Limits
    ) -> None:
        super().set_up(slots, requests, prompts, limits)
        self.batches += 1
        said = np.zeros(tuple(self.scripted.script.shape), np.int64)
        for row, request in enumerate(requests):
            answer = self._script.said(request)
            said[row, : len(answer)] = answer
        self.scripted.script.copy_(torch.from_numpy(said))


class Large:
    """One shape on one device, with everything that its rows are measured with."""

    def __init__(self, shape: str, device: str, scene: ForcedScene, dtype: torch.dtype, model: Any = None):
        """model: another's, whose weights are then used."""
        self.shape, self.device, self.scene = shape, device, scene
        self.vocabulary = random_vocabulary(rows_of(shape))
        self.view = VIEWS[shape]
        self.model = model or random_model(shape, self.vocabulary, device, dtype)
        self.manifest = Manifest(f"random {shape}", f"Qwen2.5-VL-{shape}", self.vocabulary.n, self.vocabulary.digest,
                                 PROMPT_VERSION, self.view, "bfloat16", 1, TOKENS, {}, ("torch",))  # fmt: skip
        self.script = Script(scene, self.vocabulary, self.view)
        self.engine = self.plain_engine()
        assert self.engine.network is not None
        self.network = self.engine.network
        self.decoder = self.engine.decoder = ScriptedDecoder(self.engine, self.network, self.script)
        self.decoder.make_room(16, 512, TOKENS)
        self.image: RGB = np.random.default_rng(0).integers(0, 256, (self.view[1], self.view[0], 3), dtype=np.uint8)
        self.frame: RGB = np.random.default_rng(1).integers(0, 256, (CAMERA[1], CAMERA[0], 3), dtype=np.uint8)

    def plain_engine(self) -> TorchEngine:
        """Another engine over the same weights, which says what they say and not what the script says."""
        return TorchEngine.over(self.model, self.vocabulary, Pixels(), self.manifest)

    def timed(self, work: Callable[[], object], runs: int) -> float:
        """As table.timed, after two calls: the first makes graphs and chooses kernels, the second knows how long."""
        work()
        work()
        return timed(work, runs, self.engine.wait)

    def replies(self, engine: Engine, tokens: int = TOKENS) -> list[Reply]:
        """What an engine says about the scene's questions."""
        with engine.open([self.image]) as frames:
            return frames.propose(self.script.requests, Limits(tokens))

    def drafts(self, replies: Sequence[Reply]) -> list[Draft]:
        """Drafts of the answers that hold geometry."""
        drafts = list[Draft]()
        for request, reply in zip(self.script.requests, replies, strict=True):
            parsed = parse(reply.ids, self.vocabulary, request.form)
            if any(one.parts for one in parsed.instances):
                drafts.append(Draft.of(request.prompt, tuple(int(token) for token in reply.ids[:-1]), parsed.instances))
        return drafts

    def drawn(self, engine: Engine) -> bool:
        """True when an engine draws the forced scene, token by token."""
        said = [reply.ids.tolist() for reply in self.replies(engine)]
        return said == [self.script.said(request) for request in self.script.requests]

    def agreement(self, tokens: int = 24) -> str:
        """How many answers of so many tokens are those of the plain loop, which reads all anew every step."""
        fast, plain = self.plain_engine(), self.plain_engine()
        plain.plain = True
        pairs = zip(self.replies(fast, tokens), self.replies(plain, tokens), strict=True)
        equal = [bool(np.array_equal(one.ids, other.ids)) for one, other in pairs]
        fast.close()
        plain.close()
        return f"{sum(equal)} of {len(equal)} answers of {tokens} tokens equal"
