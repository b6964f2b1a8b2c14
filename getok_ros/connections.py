"""Who is on a topic of ours and will never hear us or be heard: DDS keeps silent about it. Asked anew each time."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.subscription import Subscription


class Misfits:
    """What does not fit on some of our topics; the log says it once, when it is new."""

    def __init__(self, node: Node) -> None:
        self._node, self._told = node, ""

    def of(self, topics: Iterable[Publisher | Subscription]) -> str:
        """The others there whose message type or quality of service does not fit, and why; empty when all fit."""
        whys = (_misfit(ours, other) for ours in topics for other in others(self._node, ours))
        text = "; ".join(dict.fromkeys(filter(None, whys)))
        if text and text != self._told:
            self._node.get_logger().warning(f"QoS mismatch: {text}")
        self._told = text
        return text


def others(node: Node, ours: Publisher | Subscription) -> list[Any]:
    """Endpoints at the far side of the topic, as far as discovery knows them, those that do not fit among them."""
    if isinstance(ours, Subscription):
        return node.get_publishers_info_by_topic(ours.topic_name)
    return node.get_subscriptions_info_by_topic(ours.topic_name)


def _misfit(ours: Publisher | Subscription, other: Any) -> str:
    who, kind = f"{ours.topic_name} of {other.node_name}", _type_name(ours.msg_type)
    if other.topic_type != kind:
        return f"{who} is {other.topic_type[:80]}, not {kind}"
    reads = isinstance(ours, Subscription)
    offered, wanted = (other.qos_profile, ours.qos_profile) if reads else (ours.qos_profile, other.qos_profile)
    return f"{who}: {why}" if (why := _unmet(offered, wanted)) else ""


def _unmet(offered: QoSProfile, wanted: QoSProfile) -> str:
    """What a subscription wants and a publisher does not offer."""
    if (offered.reliability, wanted.reliability) == (ReliabilityPolicy.BEST_EFFORT, ReliabilityPolicy.RELIABLE):
        return "reliability best effort is offered, reliable wanted"
    if (offered.durability, wanted.durability) == (DurabilityPolicy.VOLATILE, DurabilityPolicy.TRANSIENT_LOCAL):
        return "durability volatile is offered, transient local wanted"
    return ""


def _type_name(kind: Any) -> str:
    return f"{kind.__module__.partition('.')[0]}/msg/{kind.__name__}"
