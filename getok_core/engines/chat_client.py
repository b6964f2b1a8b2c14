"""Speaks HTTP to a server with OpenAI's chat interface; whatever goes wrong becomes one line.

Nothing of it is about geometry. A request that fails because the server is busy, restarts or is slow is sent again.
"""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass, replace
from http.client import HTTPException
from typing import Any, cast
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from ..errors import ModelError

LARGEST_BYTES = 2**24
"""of a server's answer"""
AGAIN = (408, 409, 425, 429, 500, 502, 503, 504)
"""HTTP states after which the same request may yet succeed"""


class Late(Exception):
    """The time for an answer is over."""


class _Stay(HTTPRedirectHandler):
    """A server that sends us to another one is refused: the user says who is asked, and who sees pictures and keys."""

    def redirect_request(self, req: Request, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> None:
        return None


OPENER = build_opener(_Stay)
"""asks the server that is named, and no other"""


@dataclass(frozen=True)
class ChatClient:
    """One server."""

    server: str
    """http://HOST:PORT, with or without /v1"""
    timeout_s: float = 60.0
    """how long one attempt may take"""
    attempts: int = 3
    pause_s: float = 0.5
    """before the second attempt; twice as long before each further one"""
    key: str = ""
    """sent as a bearer token"""

    def __post_init__(self) -> None:
        """Raises ModelError on an address that is none."""
        parts = urlsplit(self.server)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise ModelError(f"server {self.server!r} is no address: give http://HOST:PORT")

    @property
    def root(self) -> str:
        """The address without a path's end."""
        return self.server.rstrip("/").removesuffix("/v1")

    def models(self) -> list[str]:
        """Names of the models served. Raises ModelError."""
        listed = self._call("/v1/models", None, None).get("data")
        if not isinstance(listed, list) or not listed:
            raise ModelError(f"server {self.root} serves no model: start it with a model folder")
        entries = cast("list[dict[str, Any]]", [one for one in cast("list[Any]", listed) if isinstance(one, dict)])
        return [str(one.get("id", "")) for one in entries]

    def version(self) -> tuple[int, ...]:
        """vLLM's version, such as (0, 11, 0); () of a server that is not vLLM."""
        try:
            said = str(replace(self, attempts=1)._call("/version", None, None).get("version", ""))
        except ModelError:
            return ()
        return tuple(map(int, re.findall(r"\d+", said)[:3]))

    def complete(self, body: dict[str, Any], until_s: float | None = None) -> dict[str, Any]:
        """A chat completion's first choice. until_s: the time of time.monotonic() after which it is of no use.

        Raises ModelError, and Late when until_s passes first.
        """
        choices = self._call("/v1/chat/completions", json.dumps(body).encode(), until_s).get("choices")
        if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
            raise ModelError(f"server {self.root} answered without choices: is it an OpenAI-style chat server?")
        return cast("dict[str, Any]", choices[0])

    def _call(self, path: str, body: bytes | None, until_s: float | None) -> dict[str, Any]:
        """Attempt after attempt. Raises ModelError for the last one, and Late."""
        for attempt in range(1, self.attempts + 1):
            try:
                return self._once(path, body, self._within(self.timeout_s, until_s))
            except HTTPError as error:
                if attempt == self.attempts or error.code not in AGAIN:
                    reason = _reason(error)
                    raise ModelError(f"server {self.root} refused {path} ({error.code}): {reason}") from None
            except (OSError, HTTPException) as error:
                self._within(0.0, until_s)
                if attempt == self.attempts:
                    reason = getattr(error, "reason", None) or error
                    said = getattr(reason, "strerror", None) or str(reason) or repr(reason)
                    why = "no answer in time" if isinstance(reason, TimeoutError) else _line(said)
                    remedy = "start it, for instance with vllm serve, or name another"
                    raise ModelError(f"server {self.root} cannot be asked ({why}): {remedy}") from None
            time.sleep(self._within(self.pause_s * 2 ** (attempt - 1), until_s))
        raise ValueError("give one attempt or more")

    def _once(self, path: str, body: bytes | None, seconds: float) -> dict[str, Any]:
        headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {self.key}"} if self.key else {})}
        with OPENER.open(Request(self.root + path, body, headers), timeout=seconds) as reply:
            raw = reply.read(LARGEST_BYTES + 1)
        try:
            said = json.loads(raw) if len(raw) <= LARGEST_BYTES else None
        except (ValueError, RecursionError):
            said = None
        if not isinstance(said, dict):
            raise ModelError(f"server {self.root} answered {path} with what is no JSON object ({len(raw)} bytes)")
        return cast("dict[str, Any]", said)

    def _within(self, seconds: float, until_s: float | None) -> float:
        """At most so many seconds. Raises Late when none are left."""
        if until_s is None:
            return seconds
        left = until_s - time.monotonic()
        if left <= 0:
            raise Late
        return min(seconds, left)


def _reason(error: HTTPError) -> str:
    """What a server says of its refusal, in one line."""
    try:
        raw = error.read(4096).decode("utf-8", "replace")
    except OSError:
        return str(error.reason)
    try:
        said: Any = json.loads(raw)
        said = said.get("error", said)
        return _line(str(said["message"]))
    except (ValueError, AttributeError, KeyError, TypeError):
        return _line(raw or str(error.reason))


def _line(text: str) -> str:
    return " ".join(text.split())[:200]
