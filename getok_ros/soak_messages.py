"""Messages no sane sender would send, made by hypothesis: any sizes, steps, encodings, lengths, stamps, texts, regions.

Fields only, as dictionaries: whoever sends them makes the messages.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from hypothesis import HealthCheck, Phase, given, seed
from hypothesis import settings as profile
from hypothesis import strategies as st

from getok_core.queries import TASKS, standard_vocabulary

Fields = dict[str, Any]
ENCODINGS = ("rgb8", "bgr8", "rgba8", "mono8", "mono16", "uyvy", "yuyv", "bayer_rggb8", "bayer_gbrg16", "8UC3", "32FC1")
_SPELLED = standard_vocabulary().tokens[:2000]

# What ROS itself can carry in a string: no NUL, no lone surrogate.
_text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=60)
_control = st.text(st.characters(codec="ascii", exclude_characters="\0", max_codepoint=31), min_size=1, max_size=20)
_words = st.sampled_from([task.prompt for task in TASKS.values()])
_tokens = st.lists(st.sampled_from(_SPELLED) | _words, min_size=1, max_size=6).map("".join)
LARGEST = "x" * (2**20 + 2**17)
"""longer than any text below"""
_huge = st.sampled_from(["x", "<grid_1_2>", " a\n", "\t"]).map(lambda piece: piece * (2**20 // len(piece)))
texts = _text | _control | _tokens | _words
"""short texts of every kind"""
rare_huge_texts = st.integers(0, 19).flatmap(lambda number: _huge if number == 0 else texts)
"""one in twenty has a million characters"""

_edge = st.sampled_from([0, 1, 2, 2**31 - 1, 2**31, 2**32 - 1])
stamps = st.fixed_dictionaries(
    {"sec": st.integers(-(2**31), 2**31 - 1), "nanosec": st.integers(0, 10**9 - 1) | st.integers(0, 2**32 - 1)}
)
"""builtin_interfaces/Time, also before 1970 and with more nanoseconds than a second has"""


@st.composite
def images(draw: st.DrawFn) -> Fields:
    """Fields of a sensor_msgs/Image: half are nearly right, the rest contradict themselves."""
    encoding = draw(st.sampled_from(ENCODINGS) | _text)
    width, height = draw(st.integers(0, 64)), draw(st.integers(0, 48))
    step = width * draw(st.integers(1, 8)) + draw(st.sampled_from([0, 0, 3, 64]))
    size = step * height
    if draw(st.booleans()):
        width, height, step = (draw(st.just(value) | _edge) for value in (width, height, step))
        size = draw(st.just(size) | st.integers(0, 4096))
    filling = draw(st.integers(0, 2**32 - 1))
    data = np.random.default_rng(filling).integers(0, 256, min(size, 100_000), np.uint8).tobytes()
    return {"encoding": encoding, "width": width, "height": height, "step": step, "data": data,
            "is_bigendian": draw(st.integers(0, 255)), "frame_id": draw(texts), "stamp": draw(stamps)}  # fmt: skip


_number = st.floats(width=64) | st.floats(0, 64) | st.integers(-5, 70).map(float)
regions = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(["point", "box", "polyline", "polygon", "seeds"]) | _text,
        "points": st.lists(st.tuples(_number, _number), max_size=12)
        | st.integers(250, 400).map(lambda count: [(float(n % 60), float(n % 40)) for n in range(count)]),
    }
)
"""getok_ros/Region: NaN and infinite corners, wrong kinds, wrong counts"""
LONGEST: Fields = {
    "text": " x" * 249,
    "has_region": True,
    "stamp": {"sec": 0, "nanosec": 0},
    "region": {"kind": "seeds", "points": [(float(number % 60), float(number % 40)) for number in range(90)]},
}
"""a query nearly as long as one may be"""


@st.composite
def queries(draw: st.DrawFn) -> Fields:
    """Fields of a getok_ros/Query, without its id."""
    return {
        "text": draw(rare_huge_texts),
        "options": draw(st.lists(texts, max_size=4) | st.lists(texts, min_size=30, max_size=40)),
        "camera": draw(st.just("") | texts),
        "priority": draw(st.integers(0, 255)),
        "timeout_s": draw(st.just(0.0) | st.floats(width=64)),
        "has_region": draw(st.booleans()),
        "region": draw(regions),
        "has_stamp": draw(st.booleans()),
        "stamp": draw(stamps),
    }


settings = st.sampled_from([
    ("refinements", 0), ("refinements", 2), ("refinements", 99), ("refinements", -7), ("refinements", "two"),
    ("deadline_s", 0.0), ("deadline_s", 5.0), ("deadline_s", float("nan")), ("deadline_s", float("inf")),
    ("deadline_s", -1.0), ("max_age_s", 1.0), ("max_age_s", 1e9), ("max_age_s", [1.0, 2.0]), ("history", 1),
    ("history", 10), ("history", 2**62), ("history", -1), ("query_limit", 64), ("query_limit", 0), ("device", "tpu"),
    ("model", "/nowhere"), ("cameras", ["a", "a"]), ("queries", [""]), ("queries", ["x" * 600]), ("queries", [5]),
    ("query_rate_hz", 1000.0), ("query_rate_hz", float("-inf")), ("no_such_parameter", 1), ("overlay", False),
    ("image_reliability", "sometimes"), ("query_timeout_s", 10.0), ("query_timeout_s", 0.0), ("hang_timeout_s", -3.0),
])  # fmt: skip
"""(name, value) of parameters, most of them out of bounds or of another type"""


def examples(strategy: st.SearchStrategy[Any], number: int, chosen: int) -> Iterator[Any]:
    """So many values of a strategy, the same for the same seed."""
    found: list[Any] = []

    @seed(chosen)
    @profile(max_examples=number, database=None, deadline=None, phases=[Phase.generate],
             suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(strategy)
    def collect(value: Any) -> None:
        found.append(value)

    collect()
    return iter(found)
