"""What a frame has time for: refinement rounds are shed first, then optional queries. Learns what each costs. No ROS.

Costs of rounds and queries are kept as shares of what the bare frame costs, so that they follow the load by themselves;
a share that is not measured any more decays, so that what was left out is tried again.
"""

from __future__ import annotations

from dataclasses import dataclass

MARGIN = 0.9
"""share of the deadline that is planned for"""
FORGET = 0.995
"""of a share that was not measured, a frame"""
LEARN = 0.3
"""of what turned out cheaper than thought; what turned out dearer is believed at once"""


@dataclass(frozen=True)
class Plan:
    """How much is done."""

    rounds: int
    optional: int
    """how many of the optional queries, the first ones"""


class Budget:
    """Predicts what a batch of frames takes, in s, from what the last ones took."""

    def __init__(self) -> None:
        self.frame_s = 0.0
        """encoding one image and proposing its scene"""
        self.query_share, self.round_share = 0.1, 0.1
        """cost of one more query, and of one round over one frame, as shares of frame_s"""
        self._last: tuple[int, int, float] = (0, 0, 0.0)

    def cost_s(self, frames: int, queries: int, rounds: int) -> float:
        """What so many frames with so many queries beside their scenes, refined so often, will take."""
        return self.frame_s * (frames + self.query_share * queries + self.round_share * rounds * frames)

    def batch(self, deadline_s: float, most: int) -> int:
        """How many frames, 1 to most, fit the deadline together."""
        fitting = deadline_s * MARGIN / self.frame_s if deadline_s and self.frame_s else float(most)
        return max(1, min(most, int(fitting)))

    def plan(self, deadline_s: float, rounds: int, frames: int, required: int, optional: int) -> Plan:
        """The most that fits the deadline; 0 is no limit. Sheds all rounds before any query.

        required: queries that are not shed.
        """
        limit_s = deadline_s * MARGIN if deadline_s else float("inf")
        for kept in range(optional, -1, -1):
            for done in range(rounds if kept == optional else 0, -1, -1):
                if self.cost_s(frames, required + kept, done) <= limit_s:
                    return Plan(done, kept)
        return Plan(0, 0)

    def learn(self, frames: int, queries: int, rounds: int, base_s: float, refine_s: float) -> None:
        """A batch took base_s to encode and propose, and refine_s for all its rounds."""
        if frames == 0 or base_s <= 0:
            return
        self._learn_queries(frames, queries, base_s)
        frame_s = base_s / (frames + self.query_share * queries)
        self.frame_s = _learned(self.frame_s, frame_s)
        if rounds:
            self.round_share = _learned(self.round_share, refine_s / rounds / frames / frame_s)
        else:
            self.round_share *= FORGET

    def _learn_queries(self, frames: int, queries: int, base_s: float) -> None:
        """Two neighbouring frames that differ in queries tell what a query costs; a change of load is no such thing."""
        frames_before, queries_before, base_before_s = self._last
        self._last = (frames, queries, base_s)
        if frames != frames_before or queries == queries_before:
            self.query_share *= FORGET if not queries else 1.0
            return
        few, many = sorted([(queries, base_s), (queries_before, base_before_s)])
        slope_s = (many[1] - few[1]) / (many[0] - few[0])
        bare_s = max(few[1] - few[0] * slope_s, few[1] / 2) / frames
        self.query_share = _learned(self.query_share, min(max(slope_s / bare_s, 0.0), 1.0))


def _learned(thought: float, measured: float) -> float:
    return max(measured, thought + LEARN * (measured - thought))
