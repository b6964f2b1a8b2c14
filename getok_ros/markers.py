"""A scene on flat ground as visualization_msgs markers, in metres of the base frame: lanes and drivable areas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from builtin_interfaces.msg import Time
from geometry_msgs.msg import Point
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

from getok_core.ground import Ground
from getok_core.overlay import Colour, colour_of
from getok_core.scene import Scene

LANE_M, EDGE_M = 0.12, 0.06
"""how wide lanes, and the outline of the drivable area, are drawn"""
LASTS_S = 1
"""after so long without a new scene a marker disappears"""


def scene_markers(scene: Scene, ground: Ground, stamp: Time, base_frame: str) -> MarkerArray:
    """One LINE_STRIP for each piece of a lane that lies on the ground, and a closed one for each drivable area.

    Points are x, y of base_frame at z = 0; colours are those of the overlay. The first marker clears the scene before.
    """
    size = (scene.width, scene.height)
    header = Header(stamp=stamp, frame_id=base_frame)
    markers = [Marker(header=header, action=Marker.DELETEALL)]
    lanes = [(piece, lane) for lane in scene.lanes for piece in ground.line(lane.points, size)]
    for number, (piece, lane) in enumerate(lanes):
        markers.append(_strip(header, "lanes", number, piece.tolist(), colour_of(lane), LANE_M))
    outlines = [(ground.area(area.points, size), area) for area in scene.drivable_areas]
    for number, (outline, area) in enumerate(pair for pair in outlines if len(pair[0])):
        closed = [*outline.tolist(), outline[0].tolist()]
        markers.append(_strip(header, "drivable_areas", number, closed, colour_of(area), EDGE_M))
    return MarkerArray(markers=markers)


def _strip(
    header: Header, space: str, number: int, points: Sequence[Sequence[float]], colour: Colour, width: float
) -> Any:
    marker = Marker(header=header, ns=space, id=number, type=Marker.LINE_STRIP, action=Marker.ADD)
    marker.pose.orientation.w = 1.0
    marker.scale.x = width
    marker.color = ColorRGBA(**dict(zip("rgb", (value / 255 for value in colour), strict=True)), a=1.0)
    marker.lifetime.sec = LASTS_S
    marker.points = [Point(x=x, y=y) for x, y in points]
    return marker
