"""Which queries the node takes, and in what words it refuses the others."""

from __future__ import annotations

from time import monotonic

from getok_core.errors import QueryError
from getok_ros import msg
from getok_ros.jobs import Pending
from getok_ros.loading import line_of
from getok_ros.messages import query_from_message
from getok_ros.pipeline import Pipeline
from getok_ros.rate_limit import RateLimit
from getok_ros.settings import TABLE, Settings

LONGEST_WAIT_S = TABLE["query_timeout_s"].metadata["high"]
"""no query waits longer, whatever time-out it names"""


class Admission:
    """Takes queries, so many a second."""

    def __init__(self) -> None:
        self._rate = RateLimit()

    def put(self, pending: Pending, settings: Settings, pipeline: Pipeline | None) -> tuple[str, str] | None:
        """Hands the query to the pipeline, or says why not: the kind of fault, and the reason in words."""
        if not self._rate.admit(monotonic(), settings.query_rate_hz, settings.query_limit):
            reason = f"more than {settings.query_rate_hz:g} queries a second: ask more slowly, or raise query_rate_hz"
            return "too many queries", reason
        if pending.camera not in settings.camera_names:
            known = ", ".join(settings.camera_names)
            return "bad query", f"camera {pending.camera[:80]!r} is unknown: use one of {known or repr('')}"
        try:
            pending.asked = query_from_message(pending.message)
        except QueryError as error:
            return "bad query", str(error)
        except Exception as error:  # a bug: it gets its answer nevertheless
            return "failed", line_of(error)
        if pipeline is None or not pipeline.active:
            return "inactive", "the node is not active: configure and activate it, or wait until it is ready"
        if not pipeline.put_query(pending):
            reason = f"{settings.query_limit} queries wait already: ask more slowly, or raise query_limit"
            return "too many queries", reason
        return None


def pending_of(message: msg.Query, settings: Settings) -> Pending:
    """The query as it waits: its camera and time-out, or those of the settings."""
    asked_s = min(message.timeout_s, LONGEST_WAIT_S) if message.timeout_s > 0 else 0.0  # NaN is not, either
    camera = message.camera or settings.camera_names[0]
    return Pending(message, camera=camera, timeout_s=asked_s or settings.query_timeout_s)
