"""A chat server on this machine alone that says what a test gives it, and remembers what it was asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Say = Callable[[dict[str, Any]], tuple[int, Any]]
"""request's JSON -> HTTP state and what is sent back: an object becomes JSON, bytes go as they are"""


def choice(text: str, finish: str = "stop", logprobs: list[dict[str, Any]] | None = None) -> tuple[int, Any]:
    """A completion as OpenAI's interface says it."""
    said = {"message": {"role": "assistant", "content": text}, "finish_reason": finish}
    return 200, {"choices": [said | ({"logprobs": {"content": logprobs}} if logprobs else {})]}


def words_of(body: dict[str, Any]) -> str:
    """What the user says in a request."""
    return body["messages"][0]["content"][1]["text"]


class ChatServer:
    """Its address, and the bodies it was sent."""

    def __init__(self, say: Say, version: str, models: tuple[str, ...]):
        self.asked: list[dict[str, Any]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path == "/v1/models":
                    self.answer(200, {"data": [{"id": name} for name in models]})
                elif self.path == "/version" and version:
                    self.answer(200, {"version": version})
                else:
                    self.answer(404, {"error": {"message": "not\nfound"}})

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.asked.append(body)
                self.answer(*say(body))

            def answer(self, state: int, said: Any) -> None:
                raw = said if isinstance(said, bytes) else json.dumps(said).encode()
                self.send_response(state)
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"


@contextmanager
def serving(say: Say, version: str = "0.11.2", models: tuple[str, ...] = ("noise",)) -> Iterator[ChatServer]:
    """A server that lives as long as the with block; version "" is a server that is not vLLM."""
    chat = ChatServer(say, version, models)
    thread = threading.Thread(target=chat.server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield chat
    finally:
        chat.server.shutdown()
        chat.server.server_close()
        thread.join()
