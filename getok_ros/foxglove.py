"""A scene as Foxglove draws it over its image: foxglove_msgs/ImageAnnotations, which that message's users know.

The definitions are the parts of Foxglove's schemas that every version has; a bag carries them with it, so that nothing
needs to be installed to open it.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rosbags.typesys import get_types_from_msg

from getok_core.overlay import colour_of, name_of
from getok_core.palette import INK, WHITE, Colour
from getok_core.scene import THINGS, DrivableArea, Lane, Scene, Thing

from .bag_reader import messages
from .bag_scenes import built

ANNOTATIONS = "foxglove_msgs/msg/ImageAnnotations"
DEFINITIONS = {
    "Point2": "float64 x\nfloat64 y",
    "Color": "float64 r\nfloat64 g\nfloat64 b\nfloat64 a",
    "CircleAnnotation": "builtin_interfaces/Time timestamp\nfoxglove_msgs/Point2 position\nfloat64 diameter\n"
    "float64 thickness\nfoxglove_msgs/Color fill_color\nfoxglove_msgs/Color outline_color",
    "PointsAnnotation": "uint8 UNKNOWN=0\nuint8 POINTS=1\nuint8 LINE_LOOP=2\nuint8 LINE_STRIP=3\nuint8 LINE_LIST=4\n"
    "builtin_interfaces/Time timestamp\nuint8 type\nfoxglove_msgs/Point2[] points\nfoxglove_msgs/Color outline_color\n"
    "foxglove_msgs/Color[] outline_colors\nfoxglove_msgs/Color fill_color\nfloat64 thickness",
    "TextAnnotation": "builtin_interfaces/Time timestamp\nfoxglove_msgs/Point2 position\nstring text\n"
    "float64 font_size\nfoxglove_msgs/Color text_color\nfoxglove_msgs/Color background_color",
    "ImageAnnotations": "foxglove_msgs/CircleAnnotation[] circles\nfoxglove_msgs/PointsAnnotation[] points\n"
    "foxglove_msgs/TextAnnotation[] texts",
}
LINE_LOOP, LINE_STRIP = 2, 3
THICK, FONT = 3.0 / 720, 16.0 / 720
"""parts of the image's height"""


@cache
def _register() -> None:
    for name, text in DEFINITIONS.items():
        messages().register(get_types_from_msg(text, f"foxglove_msgs/msg/{name}"))


def image_annotations(scene: Scene, stamp_ns: int) -> Any:
    """The scene's lanes, areas, boxes and their names, as BagWriter.write_message takes them; pixels of its image."""
    _register()
    sec, nanosec = divmod(stamp_ns, 10**9)
    stamp = {"sec": sec, "nanosec": nanosec}
    things = [thing for name in THINGS for thing in getattr(scene, name)]
    points = [{"timestamp": stamp, **_outline(thing, scene)} for thing in things]
    texts = [{"timestamp": stamp, **_text(thing, scene)} for thing in things if not isinstance(thing, DrivableArea)]
    return built(ANNOTATIONS, {"points": points, "texts": texts})


def _outline(thing: Thing, scene: Scene) -> dict[str, Any]:
    colour = colour_of(thing)
    return {
        "type": LINE_STRIP if isinstance(thing, Lane) else LINE_LOOP,
        "points": [{"x": x, "y": y} for x, y in outline(thing).tolist()],
        "outline_color": _rgba(colour),
        "fill_color": _rgba(colour, 0.0 if isinstance(thing, Lane) else 0.25),
        "thickness": THICK * scene.height,
    }


def _text(thing: Thing, scene: Scene) -> dict[str, Any]:
    colour = colour_of(thing)
    near = thing.points[:1] if isinstance(thing, Lane) else outline(thing)[:1]
    bright = float(np.dot(colour, (0.299, 0.587, 0.114))) > 120
    return {
        "position": {"x": float(near[0, 0]), "y": float(near[0, 1])},
        "text": name_of(thing),
        "font_size": FONT * scene.height,
        "text_color": _rgba(INK if bright else WHITE),
        "background_color": _rgba(colour),
    }


def outline(thing: Thing) -> NDArray[np.float64]:
    """Vertices (N, 2) of a thing; of a box its corners, clockwise from the top left."""
    if isinstance(thing, (Lane, DrivableArea)):
        return thing.points
    left, top, right, bottom = thing.box
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]])


def _rgba(colour: Colour, alpha: float = 1.0) -> dict[str, float]:
    red, green, blue = (value / 255 for value in colour)
    return {"r": red, "g": green, "b": blue, "a": alpha}
