"""Gives every query its one answer, on ~/answers, in every state of the node. Any thread may call."""

from __future__ import annotations

from time import monotonic

from rclpy.node import Node
from std_msgs.msg import Header

from getok_core.scene import Answer, Fault, Scene
from getok_ros import msg
from getok_ros.health import QueryHealth
from getok_ros.jobs import Pending
from getok_ros.messages import MAX_NAME, Quality, answer_to_message
from getok_ros.outputs import publisher
from getok_ros.tally import shortened

REPEAT_S = 5.0
"""the same warning is not repeated sooner"""


class Replies:
    """Whoever comes first with an answer or a refusal has it published; whoever comes later is ignored."""

    def __init__(self, node: Node, health: QueryHealth) -> None:
        self.publisher = publisher(node, msg.Answer, "~/answers", 100)
        self._health, self._logger = health, node.get_logger()
        self._warned: dict[str, float] = {}

    def answer(self, pending: Pending, answer: Answer, header: Header, quality: Quality) -> None:
        """The answer given on the frame with this header."""
        if pending.claim():
            self._publish(pending, answer, header, quality)
            self._health.fault(fault.kind for fault in answer.scene.faults)
            self._health.count("answered")

    def refuse(self, pending: Pending, header: Header, kind: str, reason: str) -> None:
        """An empty answer with one fault, a warning and a count: the query cannot be answered, and why."""
        if pending.claim():
            fault = Fault(kind, shortened(reason), pending.message.id[:MAX_NAME])
            empty = Answer("", 0.0, (), Scene(0, 0, faults=(fault,)))
            self._publish(pending, empty, header, Quality())
            self._health.fault([kind])
            self._health.count("refused", text=reason)
            self.warn(f"query {pending.message.id[:80]!r}: {reason}")

    def _publish(self, pending: Pending, answer: Answer, header: Header, quality: Quality) -> None:
        message = answer_to_message(answer, pending.message, header, quality)
        message.camera = pending.camera[:MAX_NAME] or message.camera
        self.publisher.publish(message)

    def warn(self, text: str) -> None:
        """Says it in the log, not too often."""
        now, text = monotonic(), shortened(text)
        if now - self._warned.get(text, -REPEAT_S) >= REPEAT_S:
            if len(self._warned) > 1000:
                self._warned.clear()
            self._warned[text] = now
            self._logger.warning(text)
