"""A model behind a server with OpenAI's chat interface: pictures as View resized them, questions and answers as text.

Ids are by spelling, so the language's own vocabulary serves, whatever the server's model counts in. vLLM is told what
an answer may look like and goes on from `<answer>`; other servers answer as they like, and the parser judges. The
weights are the server's: a model folder here needs its manifest alone, and its digests are not checked. Fields that are
vLLM's own are those of its chat protocol at 002032e; no request leaves sampling to the model's generation_config.json,
whose penalty on repetition would punish an answer for its second tag.
"""

from __future__ import annotations

import base64
import os
import re
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, cast

import cv2
import numpy as np

from ..errors import ModelError, QueryError
from ..manifest import Manifest
from ..protocol import Caps, Frames, Limits, Offsets, Progress, Reply, Request
from ..queries import standard_vocabulary
from ..refine import Draft
from ..view import RGB
from ..vocabulary import ANSWER, DELETE, END_ANSWER, END_OFFSET, OFFSET_START, OFFSETS, THINK, Vocabulary
from .answer_regex import answer_regex, script_regex
from .chat_client import ChatClient, Late
from .spelled import Said, spelled

AT_ONCE = 16
"""requests under way to the server"""
ALTERNATIVES = 10
"""other tokens whose probability is asked for with each token said"""
UNSAID = float(np.log(0.5))
"""log-probability of a token where the server tells none: its scores then mean nothing"""
MOVES = range(DELETE, OFFSET_START + len(OFFSETS))
CONTROL = re.compile(r"<(?![\s\d=]|$).")
"""how a token of the language, or any control token of a server, may begin; a comparison of numbers does not"""
KEY = "GETOK_API_KEY"
"""environment variable whose value is sent as a bearer token"""


class HttpEngine:
    """Engine of getok_core.protocol; refinements are written out, so wrap it in a SequentialEngine."""

    def __init__(self, manifest: Manifest, server: str, timeout_s: float = 60.0, attempts: int = 3):
        """Raises ModelError on an address that is none."""
        self.manifest, self.device = manifest, server
        self.caps = Caps(one_pass_refine=False, constrained=False, images_per_batch=4)
        self.vocabulary: Vocabulary = standard_vocabulary(manifest.lattice)
        self.client = ChatClient(server, timeout_s, attempts, key=os.environ.get(KEY, ""))
        self.model = ""
        self.version: tuple[int, ...] = ()
        """of vLLM; () of another server"""

    def load(self, progress: Progress | None = None) -> None:
        """Asks the server what it serves. Raises ModelError when it does not answer or serves another model."""
        if progress:
            progress(f"asking {self.device}", 0.0)
        names = self.client.models()
        if self.manifest.name not in names and len(names) > 1:
            raise ModelError(
                f"server {self.device} serves {', '.join(names)}, but not {self.manifest.name}:"
                f" serve it with --served-model-name {self.manifest.name}"
            )
        self.model = self.manifest.name if self.manifest.name in names else names[0]
        self.version = self.client.version()
        self.caps = replace(self.caps, constrained=bool(self.version))
        if not self.version:  # only vLLM goes on from a proposal
            self.manifest = replace(self.manifest, refinements=0)
        if progress:
            progress("ready", 1.0)

    def open(self, images: Sequence[RGB]) -> Frames:
        """Images, each (H, W, 3) uint8 of the manifest's view. Raises ValueError on another size."""
        if not self.model:
            raise RuntimeError("the engine is not loaded: call load() first")
        return _HttpFrames(self, images)

    def close(self) -> None:
        """Nothing is held."""
        self.model = ""

    # -- one request -------------------------------------------------------------------------------------------------

    def body(self, request: Request, picture: str, limits: Limits) -> dict[str, Any]:
        """The JSON of a request about a picture, a data URL. Raises QueryError, and ModelError if the server cannot."""
        asked, begun = self._turns(request)
        body: dict[str, Any] = {
            "model": self.model,
            "messages": [{"role": "user", "content": [_image(picture), {"type": "text", "text": asked}]}],
            "max_tokens": limits.tokens,
            "temperature": request.sampling.temperature,
            "top_p": 1.0,
            "seed": request.sampling.seed,
            "logprobs": True,
            "top_logprobs": ALTERNATIVES,
        }
        if not self.version:
            if begun not in ("", self.vocabulary.spell([ANSWER])):
                raise ModelError(f"server {self.device} cannot go on from a begun answer: use vLLM, or no refinements")
            return body
        body |= {"top_k": -1, "min_p": 0.0, "repetition_penalty": 1.0}
        body |= {"skip_special_tokens": False, "spaces_between_special_tokens": False}
        if not begun:  # the model opens its turn itself, to think for instance: nothing is known of what it may say
            return body
        script = request.draft.sequential_script(self.vocabulary) if request.draft else None
        body["messages"].append({"role": "assistant", "content": begun})
        body |= {"add_generation_prompt": False, "continue_final_message": True, "include_stop_str_in_output": True}
        body["max_tokens"] = len(script) if script else limits.tokens
        body["stop"] = [self.vocabulary.spell([END_OFFSET if script else END_ANSWER])]
        if script or not request.begun:
            form = script_regex(script, self.vocabulary) if script else answer_regex(request.form, self.vocabulary)
            body |= {"structured_outputs": {"regex": form}} if self.version >= (0, 11) else {"guided_regex": form}
        return body

    def _turns(self, request: Request) -> tuple[str, str]:
        """What the user says and how the assistant begins. Raises QueryError on words that a server would misread."""
        ids = [*request.prompt, *request.begun]
        split = next((at for at, token in enumerate(ids) if token in (THINK, ANSWER)), len(ids))
        asked = self.vocabulary.spell(ids[:split])
        if found := CONTROL.search(self.vocabulary.decode_text(ids[:split])):
            raise QueryError(f"the question {asked[:80]!r} holds {found[0]!r}: a server's tokens begin so; reword it")
        return asked, self.vocabulary.spell(ids[split:])

    def reply(self, choice: dict[str, Any], request: Request, began: float) -> Reply:
        """A server's choice, whatever is in it, as local ids.

        vLLM tells the log-probabilities before its mask; those after it are not known, and are given as the same.
        """
        message = choice.get("message")
        content = cast("dict[str, Any]", message).get("content") if isinstance(message, dict) else None
        text = content if isinstance(content, str) else ""
        said = spelled(text, _said(choice.get("logprobs")), UNSAID, self.vocabulary)
        ids, logp, near = said.ids, said.logp, said.logp_near
        cut = choice.get("finish_reason") == "length"
        if request.draft is not None:
            kept = _follows(ids, request.draft.sequential_script(self.vocabulary))
            ids, logp, near = ids[:kept], logp[:kept], near[:kept]
        elif END_ANSWER in ids:
            kept = int(np.flatnonzero(ids == END_ANSWER)[0]) + 1
            ids, logp, near = ids[:kept], logp[:kept], near[:kept]
        elif not cut:  # a server that leaves out where it stopped
            ids, logp, near = np.append(ids, END_ANSWER), np.append(logp, 0.0), np.append(near, 0.0)
        return Reply(ids, logp, logp, near, "cap" if cut else "end", time.monotonic() - began)


class _HttpFrames:
    """Pictures as data URLs; every request carries its own."""

    def __init__(self, engine: HttpEngine, images: Sequence[RGB]):
        began = time.monotonic()
        wanted = (*engine.manifest.view[::-1], 3)
        for image in images:
            if image.shape != wanted:
                raise ValueError(f"this engine takes images of shape {wanted}, got {image.shape}: resize with View")
        self._engine, self._pictures = engine, [_data_url(image) for image in images]
        self.seconds = time.monotonic() - began

    def __enter__(self) -> _HttpFrames:
        return self

    def __exit__(self, *reason: object) -> None:
        self._pictures = []

    def propose(self, requests: Sequence[Request], limits: Limits) -> list[Reply]:
        """Answers in the order of the requests, asked side by side; what is late is empty and says so.

        Raises QueryError on a question that may not be sent, and ModelError when the server fails.
        """
        began = time.monotonic()
        until = None if limits.deadline_s is None else began + limits.deadline_s
        bodies = [self._engine.body(request, self._pictures[request.frame], limits) for request in requests]

        def ask(at: int) -> Reply:
            try:
                return self._engine.reply(self._engine.client.complete(bodies[at], until), requests[at], began)
            except Late:
                nothing = np.zeros(0)
                seconds = time.monotonic() - began
                return Reply(np.zeros(0, np.int64), nothing, nothing, nothing, "deadline", seconds)

        with ThreadPoolExecutor(AT_ONCE) as pool:
            return list(pool.map(ask, range(len(requests))))

    def refine(self, drafts: Sequence[Draft], limits: Limits) -> list[Offsets]:
        """Offsets are written out here: see SequentialEngine."""
        raise NotImplementedError("a server reads no offsets in one pass: wrap its engine in a SequentialEngine")


def _data_url(image: RGB) -> str:
    done, raw = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    assert done
    return "data:image/png;base64," + base64.b64encode(raw.tobytes()).decode()


def _image(url: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url}}


def _said(logprobs: Any) -> list[Said]:
    """The tokens of OpenAI's logprobs; none where they are missing or malformed."""
    try:
        return [_token(one) for one in logprobs["content"]]
    except (KeyError, TypeError, ValueError):
        return []


def _token(one: dict[str, Any]) -> Said:
    raw = one.get("bytes")
    text = bytes(raw) if raw is not None else str(one["token"]).encode("utf-8", "replace")
    others = {str(other["token"]): float(other["logprob"]) for other in one.get("top_logprobs") or ()}
    return Said(text, min(float(one["logprob"]), 0.0), {name: min(logp, 0.0) for name, logp in others.items()})


def _follows(ids: Any, script: list[int | None]) -> int:
    """How many ids keep to a script: what a model says after it left it, says nothing of the vertices."""
    kept = 0
    for token, wanted in zip(ids.tolist(), script, strict=False):
        if token not in (MOVES if wanted is None else (wanted,)):
            break
        kept += 1
    return kept
