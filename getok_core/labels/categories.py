"""Category names of label formats -> the words of this house. The tables here are the whole mapping.

A name is compared in small letters with "_", "-" and "/" as spaces. Our own words mean themselves. What the tables do
not hold is an obstacle "other", and reported once a file; what this house does not speak of is left out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from getok_core.queries import LIGHT_STATES, OBSTACLE_LABELS, PAINT, SIGN_COLOURS, SIGN_SHAPES, VISIBLE_STATES


class Meaning(NamedTuple):
    """What a labelled object is. Words that the label does not give are ""."""

    task: str
    """the standing task it belongs to; "" for what this house does not speak of"""
    label: str = ""
    """a lane's paint, an obstacle's class, a sign's shape, a light's state"""
    colour: str = ""
    visible_state: str = ""


OBSTACLES = {
    "van": "car", "suv": "car", "pickup": "car", "taxi": "car", "caravan": "car",
    "trailer": "truck", "construction vehicle": "truck", "lorry": "truck",
    "motor": "motorcycle", "motorbike": "motorcycle", "scooter": "motorcycle",
    "bike": "bicycle", "cyclist": "bicycle",
    "person": "pedestrian", "person sitting": "pedestrian", "people": "pedestrian", "rider": "pedestrian",
    "other person": "pedestrian",
    "bird": "animal", "cat": "animal", "dog": "animal", "horse": "animal", "sheep": "animal", "cow": "animal",
    "deer": "animal", "elephant": "animal", "bear": "animal", "zebra": "animal", "giraffe": "animal",
    "traffic cone": "cone", "road cone": "cone", "guard rail": "barrier", "fence": "barrier",
    "train": "other", "tram": "other", "boat": "other", "other vehicle": "other",
}  # fmt: skip
"""COCO, BDD100K, KITTI and nuScenes classes; a rider is a box of its own beside the two-wheeler's"""
CLASS_IN_ATTRIBUTE = {"obstacle", "object", "vehicle", "animal"}
"""names whose attribute class, type or label may say more"""
DRIVABLE = {"drivable", "drivable area", "road", "direct", "alternative", "area drivable", "area alternative"}
"""BDD100K's own lane (direct) and other lanes (alternative) are both drivable here"""
SIGNS = {"sign": "", "traffic sign": "", "trafficsign": "", "road sign": "", "stop sign": "stop"}
LIGHTS = {"light", "traffic light", "trafficlight"}
LIGHT_WORDS = {"g": "green", "r": "red", "y": "yellow", "amber": "yellow"}
LANES = {
    "lane", "lane line", "lane marking", "line", "curb", "edge", "road curb", "road edge", "unknown", "single other",
    "double other", *(f"{style} {hue}" for style in (*PAINT, "single") for hue in ("white", "yellow")),
}  # fmt: skip
NOT_OURS = {
    "crosswalk", "stop line", "ego vehicle", "own car", "sidewalk", "sky", "building", "vegetation", "terrain",
    "lane crosswalk",
}  # fmt: skip


def meaning(name: str, attributes: Mapping[str, Any] | None = None) -> Meaning | None:
    """What an object of this category with these attributes is; None for a name that the tables do not hold."""
    word, given = _plain(name), {_plain(key): _plain(value) for key, value in (attributes or {}).items()}
    said = next((given[key] for key in ("class", "type", "label") if given.get(key)), "")
    if word in CLASS_IN_ATTRIBUTE and said:
        word = said
    if {word, word.removeprefix("lane ")} & LANES:
        return _lane(f"{word} {' '.join(given.values())}", given)
    if word in DRIVABLE:
        return Meaning("drivable area", "drivable")
    if word in SIGNS:
        shape = SIGNS[word] or _one_of(SIGN_SHAPES, given.get("shape", said))
        colour = _one_of(SIGN_COLOURS, given.get("colour", given.get("color", "")))
        return Meaning("signs", shape, colour, _one_of(VISIBLE_STATES, given.get("visible state", "")))
    if word in LIGHTS:
        state = given.get("state", given.get("trafficlightcolor", given.get("colour", given.get("color", ""))))
        return Meaning("lights", _one_of(LIGHT_STATES, LIGHT_WORDS.get(state, state)))
    if word in NOT_OURS:
        return Meaning("")
    obstacle = OBSTACLES.get(word, word)
    return Meaning("obstacles", obstacle) if obstacle in OBSTACLE_LABELS else None


def _lane(text: str, given: Mapping[str, str]) -> Meaning:
    """Paint from all the words that a lane's name and attributes hold; "" unless they name style and hue."""
    words = text.split()
    if "crosswalk" in words or "vertical" in (given.get("lanedirection"), given.get("direction")):
        return Meaning("")  # BDD100K calls stop lines and the edges of crosswalks lanes across the road
    for alone in ("curb", "edge", "unknown"):
        if alone in words:
            return Meaning("lanes", alone)
    style = next((style for style in ("double", "dots", "dashed", "solid") if style in words), "")
    hue = next((hue for hue in ("white", "yellow") if hue in words), "")
    return Meaning("lanes", f"{style} {hue}" if style and hue else "")


def _plain(name: Any) -> str:
    return " ".join(re.sub(r"[_/-]+", " ", str(name)).lower().split())


def _one_of(words: tuple[str, ...], word: str) -> str:
    return word if word in words else ""
