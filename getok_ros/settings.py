"""Every parameter of the node, told once: name, default, unit, bounds, description, and whether it may change at work.

The fields of Settings and of CameraSettings are the tables; config/perception.yaml repeats them. Knows no ROS.
"""

from __future__ import annotations

from dataclasses import MISSING, Field, dataclass, field, fields
from functools import cached_property
from typing import Any

from getok_core.carrying import USUAL_FIRST_STEP, USUAL_LISTS
from getok_core.queries import SceneQuery, question


def setting(
    default: Any,
    description: str,
    unit: str = "",
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] = (),
    live: bool = False,
) -> Any:
    """One parameter, low and high included. live: may change at any time; else only while the node is unconfigured.

    An empty list of texts is [""], since ROS cannot type an empty list.
    """
    about = {"description": description, "unit": unit, "low": low, "high": high, "choices": choices, "live": live}
    if isinstance(default, list):
        return field(default_factory=default.copy, metadata=about)
    return field(default=default, metadata=about)


EXTRAS = ("detections", "drivable_mask", "markers")
"""topics for the tools of others"""


@dataclass(frozen=True)
class Settings:
    """What the node was told, checked."""

    autostart: bool = setting(True, "configure and activate at the start; false: wait for a lifecycle manager")
    model: str = setting("", "folder of the model; empty: the nano that comes with the package")
    device: str = setting("cpu", "where the model runs: cpu, cuda or http://HOST:PORT")
    engine: str = setting(
        "", "what runs the model; empty: the first that it is made for", choices=("", "onnx", "torch", "tensorrt")
    )
    threads: int = setting(0, "CPU threads of the model; 0: one a core", "threads", 0, 256)
    cameras: list[str] = setting(  # noqa: RUF009
        [""], "names of several cameras, each with parameters NAME.topic and so on; empty: one, on the topic image"
    )
    image_transport: str = setting("raw", "which image topic is read", choices=("raw", "compressed"))
    image_reliability: str = setting(
        "best_effort",
        "reliability asked of the camera; best_effort accepts every publisher, reliable loses no frame on its way",
        choices=("best_effort", "reliable"),
    )
    refinements: int = setting(
        -1, "refinement rounds, each halving the step; -1: the model's own choice", "rounds", -1, 4, live=True
    )
    track_every: int = setting(
        0,
        "all is proposed anew on every so manyth frame, between them the last scene is refined; 0 or 1: on every frame",
        *("frames", 0, 1000),
        live=True,
    )
    track_lists: list[str] = setting(  # noqa: RUF009
        list(USUAL_LISTS),
        "what is refined from the last scene when track_every says so; the rest is proposed anew",
        live=True,
    )
    track_first_step: int = setting(
        USUAL_FIRST_STEP,
        "first of these rounds moves by 2^-k cells, the last by a quarter: -1 is two cells",
        "k",
        -1,
        2,
        live=True,
    )
    deadline_s: float = setting(
        0.0,
        "time one frame may take: to keep it refinement rounds, then optional queries are left out; past it answers "
        "are cut off; 0: no limit",
        *("s", 0.0, 60.0),
        live=True,
    )
    max_age_s: float = setting(
        1.0,
        "an older frame is dropped; one that grew older at work makes a late scene; 0: never",
        *("s", 0.0, 3600.0),
        live=True,
    )
    image_timeout_s: float = setting(
        2.0, "diagnostics say stale when no frame has come for so long; 0: never", "s", 0.0, 3600.0, live=True
    )
    hang_timeout_s: float = setting(
        30.0,
        "an engine that is silent on one frame for so long is given up: the node ends with code 3; 0: never",
        *("s", 0.0, 3600.0),
        live=True,
    )
    overlay: bool = setting(True, "offer ~/overlay, a picture of each scene, drawn only while someone looks")
    extras: list[str] = setting(  # noqa: RUF009
        list(EXTRAS), "what else is offered: detections (needs vision_msgs), drivable_mask, markers; drawn on demand"
    )
    base_frame: str = setting("base_link", "frame of the markers; its plane z = 0 is the ground")
    camera_pose: str = setting(
        "", "x y z roll pitch yaw (m, rad) of the camera in base_frame, z up, pitch down; empty: from tf"
    )
    ground_range_m: float = setting(
        60.0, "farther than this along the optical axis nothing is drawn on the ground", "m", 1.0, 1000.0
    )
    rectified: bool = setting(False, "images are rectified already: the lens is P of CameraInfo, without distortion")
    queries: list[str] = setting(  # noqa: RUF009
        [""], "questions asked about every frame, answered on ~/answers with the text as id", live=True
    )
    history: int = setting(10, "frames kept of each camera for queries that name a stamp", "frames", 1, 300, live=True)
    query_limit: int = setting(
        32, "queries that may wait; more are refused with a fault", "queries", 1, 1000, live=True
    )
    query_rate_hz: float = setting(
        20.0, "queries taken a second, in the long run; more are refused with a fault; 0: no limit",
        *("Hz", 0.0, 1000.0), live=True,
    )  # fmt: skip
    queries_per_frame: int = setting(8, "waiting queries answered together on one frame", "queries", 1, 64, live=True)
    query_wait_s: float = setting(1.0, "how long a query waits for its frame to come", "s", 0.0, 60.0, live=True)
    query_timeout_s: float = setting(
        10.0, "after so long a query that names no time-out is answered with a fault", "s", 0.1, 3600.0, live=True
    )

    @cached_property
    def standing_texts(self) -> tuple[str, ...]:
        """The queries, without the empty text that stands for none."""
        return tuple(text for text in self.queries if text.strip())

    @cached_property
    def standing_queries(self) -> tuple[SceneQuery, ...]:
        """The same, understood. Raises QueryError."""
        return tuple(question(text) for text in self.standing_texts)

    @property
    def camera_names(self) -> tuple[str, ...]:
        """The cameras; one without a name where none is named."""
        return tuple(name for name in self.cameras if name) or ("",)


@dataclass(frozen=True)
class CameraSettings:
    """What the node was told about one of several cameras, checked; the parameters are NAME.topic and so on."""

    name: str = ""
    topic: str = setting(
        "", "image topic; empty: NAME/image, of a single camera image; compressed reads its /compressed"
    )
    transport: str = setting("", "which image topic is read; empty: image_transport", choices=("", "raw", "compressed"))
    reliability: str = setting(
        "", "reliability asked of this camera; empty: image_reliability", choices=("", "best_effort", "reliable")
    )
    pose: str = setting("", "as camera_pose; empty: camera_pose, else from tf")
    weight: float = setting(
        1.0, "share of the model's time, beside the weights of the other cameras", "", 0.01, 100.0, live=True
    )
    max_rate_hz: float = setting(
        0.0, "frames a second that are perceived at most; 0: no limit", "Hz", 0.0, 1000.0, live=True
    )


TABLE = {row.name: row for row in fields(Settings)}
CAMERA_TABLE = {row.name: row for row in fields(CameraSettings) if row.metadata}


def row_of(name: str) -> Field[Any]:
    """The row of a parameter as ROS names it: "model", "front.topic"."""
    return CAMERA_TABLE[name.rpartition(".")[2]] if "." in name else TABLE[name]


def default_of(row: Field[Any]) -> Any:
    """The default of one row of a table."""
    return row.default if row.default is not MISSING else row.default_factory()  # type: ignore[misc]
