"""Gives every query its one answer, on ~/answers, in every state of the node. Any thread may call."""

from __future__ import annotations

from time import monotonic

from rclpy.node import Node
from std_msgs.msg import Header

from getok_core.scene import Answer, Fault, Scene
from getok_ros import msg
from getok_ros.health import QueryHealth
from getok_ros.jobs import Pending
from getok_ros.messages import Quality, answer_to_message
from getok_ros.outputs import OnMismatch, publisher

REPEAT_S = 5.0
"""the same warning is not repeated sooner"""


class Replies:
    """Whoever comes first with an answer or a refusal has it published; whoever comes later is ignored."""

    def __init__(self, node: Node, health: QueryHealth, on_mismatch: OnMismatch) -> None:
        self._answers = publisher(node, msg.Answer, "~/answers", 100, on_mismatch)
        self._health, self._logger = health, node.get_logger()
        self._warned: dict[str, float] = {}

    def answer(self, pending: Pending, answer: Answer, header: Header, quality: Quality) -> None:
        """The answer given on the frame with this header."""
        if pending.claim():
            self._publish(pending, answer, header, quality)
            self._health.count("answered")

    def refuse(self, pending: Pending, header: Header, kind: str, reason: str) -> None:
        """An empty answer with one fault, a warning and a count: the query cannot be answered, and why."""
        if pending.claim():
            fault = Fault(kind, reason, pending.message.id)
            empty = Answer("", 0.0, (), Scene(0, 0, faults=(fault,)))
            self._publish(pending, empty, header, Quality())
            self._health.count("refused", text=reason)
            self.warn(f"query {pending.message.id[:80]!r}: {reason}")

    def _publish(self, pending: Pending, answer: Answer, header: Header, quality: Quality) -> None:
        message = answer_to_message(answer, pending.message, header, quality)
        message.camera = pending.camera or message.camera
        self._answers.publish(message)

    def warn(self, text: str) -> None:
        """Says it in the log, not too often."""
        now = monotonic()
        if now - self._warned.get(text, -REPEAT_S) >= REPEAT_S:
            if len(self._warned) > 1000:
                self._warned.clear()
            self._warned[text] = now
            self._logger.warning(text)
