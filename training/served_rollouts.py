"""Replies drawn by vLLM's server instead of an engine here: `--rollouts http://HOST:PORT`.

    VLLM_ALLOW_RUNTIME_LORA_UPDATING=True vllm serve START --enable-lora --max-lora-rank 64

After each update the adapter is written to a folder that the server can read too, loaded by /v1/load_lora_adapter and
asked for by name; the one before it is unloaded. Its name is the digest of its weights: a reply cannot come from other
weights than the step's, and a server that has lost them answers with an error, never with older ones. What cannot be
ruled out is that vLLM computes a little differently than we do; probabilities are therefore read again here, as always.
vLLM takes no rows of embedding or head from an adapter, so these stay still.

The server is held to a regular expression, which is wider than our automaton (answer_regex.py): from a token on that
the automaton would not have allowed, rollouts.legal_of counts every token as legal.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request as Post

import numpy as np
import torch
from peft import PeftConfig
from torch import Tensor

from getok_core.engines.base_vocabulary import BaseVocabulary
from getok_core.engines.chat_client import OPENER
from getok_core.engines.http_engine import KEY, UNSAID, HttpEngine
from getok_core.errors import ModelError
from getok_core.manifest import Manifest
from getok_core.protocol import Frames, Limits, Offsets, Reply, Request
from getok_core.reading import offsets_of
from getok_core.refine import Draft
from getok_core.view import RGB
from getok_core.vocabulary import END_ANSWER, Vocabulary

from .adapter_files import write_adapter
from .policy import Reading
from .ranks import Ranks

Read = Callable[[Sequence[RGB], Sequence[Reading]], list[Tensor]]
"""Policy.read"""
LOADING_S = 120.0
"""that a server may take to load an adapter"""


class Server:
    """One vLLM server, and which adapter it has."""

    def __init__(self, address: str, folder: Path):
        """folder: where adapters are written, on a disk that the server reads under the same path."""
        self.address, self.folder = address.rstrip("/").removesuffix("/v1"), folder.resolve()
        self.adapter = ""
        """name of the one loaded"""

    def take(self, weights: Mapping[str, Tensor], config: PeftConfig, ranks: Ranks) -> None:
        """Loads these weights, once for all ranks. Raises ModelError when the server will not."""
        name, before = f"getok-{digest(weights)}", self.adapter
        if ranks.first and name != before:
            try:
                write_adapter(weights, config, self.folder / name)
            except OSError as error:
                raise ModelError(f"cannot write {self.folder / name}: {error.strerror}; name another --out") from None
            self._post("load", {"lora_name": name, "lora_path": str(self.folder / name)})
            if before:
                self._post("unload", {"lora_name": before})
                shutil.rmtree(self.folder / before, ignore_errors=True)
        self.adapter = name
        ranks.wait()

    def _post(self, verb: str, body: dict[str, str]) -> None:
        path = f"/v1/{verb}_lora_adapter"
        key = {"Authorization": f"Bearer {os.environ[KEY]}"} if os.environ.get(KEY) else {}
        headers = {"Content-Type": "application/json", **key}
        asked = Post(self.address + path, json.dumps(body).encode(), headers)
        try:
            with OPENER.open(asked, timeout=LOADING_S) as reply:
                reply.read()
        except HTTPError as error:
            says = " ".join(error.read(4096).decode("utf-8", "replace").split())[:200]
            if "already been loaded" in says:  # by a call that was stopped: the name tells that it is the same
                return
            raise ModelError(f"server {self.address} refused {path} ({error.code}: {says}): start it with"
                             " VLLM_ALLOW_RUNTIME_LORA_UPDATING=True and --enable-lora") from None  # fmt: skip
        except (OSError, HTTPException, ValueError) as error:
            raise ModelError(f"server {self.address} cannot be asked ({error}): start vllm serve there") from None


def digest(weights: Mapping[str, Tensor]) -> str:
    """A name for weights: 16 characters that other weights do not have."""
    found = hashlib.sha256()
    for name in sorted(weights):
        found.update(name.encode() + weights[name].detach().float().cpu().numpy().tobytes())
    return found.hexdigest()[:16]


class ServedEngine(HttpEngine):
    """Engine of getok_core.protocol whose proposals a server draws, in the base's own tokens; drafts are read here."""

    def __init__(self, manifest: Manifest, server: Server, vocabulary: BaseVocabulary, read: Read):
        """Raises ModelError where no vLLM answers."""
        super().__init__(manifest, server.address)
        self.vocabulary: Vocabulary = vocabulary
        self.base = vocabulary
        self.read, self.model, self.version = read, server.adapter, self.client.version()
        if not self.version:
            raise ModelError(f"server {server.address} is no vLLM: rollouts need its LoRA adapters and its token ids")

    def open(self, images: Sequence[RGB]) -> Frames:
        """As HttpEngine.open."""
        return _ServedFrames(self, images, super().open(images))

    def body(self, request: Request, picture: str, limits: Limits) -> dict[str, Any]:
        """As HttpEngine.body; the ids that were drawn are asked for, and a grammar only where one is wanted."""
        body = super().body(request, picture, limits) | {"return_token_ids": True}
        left_out = ("logprobs", "top_logprobs")
        if not request.sampling.constrained:
            left_out = (*left_out, "structured_outputs", "guided_regex")
        return {name: value for name, value in body.items() if name not in left_out}

    def reply(self, choice: dict[str, Any], request: Request, began: float) -> Reply:
        """The ids that the server drew, as local ids. Raises ModelError where it does not tell them."""
        told: list[int] = choice.get("token_ids") or []
        if not told:
            raise ModelError(f"server {self.device} tells no token_ids: rollouts need vLLM 0.10.2 or later")
        ids = self.base.local_ids(told)
        ends = np.flatnonzero((ids == END_ANSWER) | (ids < 0))
        if len(ends):
            ids = ids[: int(ends[0]) + int(ids[ends[0]] == END_ANSWER)]
        if not len(ids):
            raise ModelError(f"server {self.device} said a token that {self.manifest.name} does not have: {told[0]}")
        unsaid = np.full(len(ids), UNSAID)
        stop = "cap" if choice.get("finish_reason") == "length" else "end"
        return Reply(ids, unsaid, unsaid, unsaid, stop, time.monotonic() - began)


class _ServedFrames:
    """Images of one step."""

    def __init__(self, engine: ServedEngine, images: Sequence[RGB], frames: Frames):
        self._engine, self._frames, self.seconds = engine, frames, frames.seconds
        self._images: Sequence[RGB] = images

    def __enter__(self) -> _ServedFrames:
        return self

    def __exit__(self, *reason: object) -> None:
        self._images = ()

    def propose(self, requests: Sequence[Request], limits: Limits) -> list[Reply]:
        """As Frames.propose."""
        return self._frames.propose(requests, limits)

    def refine(self, drafts: Sequence[Draft], limits: Limits) -> list[Offsets]:
        """One pass of the policy itself: a server reads no offsets that way."""
        sequences = [draft.sequence(self._engine.vocabulary) for draft in drafts]
        readings = [Reading(draft.frame, *sequence) for draft, sequence in zip(drafts, sequences, strict=True)]
        with torch.no_grad():
            return [offsets_of(row.cpu().numpy()) for row in self._engine.read(self._images, readings)]
