"""How users word what the tasks ask: regular expressions, searched in lowered text; of a task that refers, its verbs.

They only recognise a user's words. What a model reads is the prompt in queries.py, so a change here harms no weights.
"""

from __future__ import annotations

_FIND = (
    r"(^(the |all |traffic |road )*|"
    r"\b(box|find|where|detect|list|locate|mark|show|draw|how many|is there|are there|any|all|every)\b.*)"
)
_THING = r"\b(obstacle|object|vehicle|thing)s?\b"
_ROAD_USER = r"\b(obstacle|object|vehicle|road user|car|truck|bus|motorcycle|bicycle|pedestrian|animal|cone)(s|es)?\b"
_SEEN = r"\b(visible|visibility|legible|readable|occluded|hidden|covered|blurred|blurry|backlit)\b"
_ROAD = r"\b(road|lane|street|way|path)\b"
_WEATHER = r"\b(wet|dry|snow|snowy|ice|icy|slippery)\b"


def _both(one: str, other: str) -> str:
    """Both expressions, in either order."""
    return f"{one}.*{other}|{other}.*{one}"


LANES = r"\blanes?\b|\broad (edge|marking)s?\b"
DRIVABLE_AREA = r"\bdrive?able\b|\bfree space\b|\bwhere (can|may|could) .*\bdrive\b"
OBSTACLES = _FIND + _ROAD_USER
SIGNS = _FIND + r"\bsigns?\b"
LIGHTS = _FIND + r"\blights?\b"

SIGN_COLOUR = _both(r"\bcolou?rs?\b", r"\bsigns?\b")
SIGN_VISIBLE_STATE = _both(_SEEN, r"\bsigns?\b") + r"|\bsigns?\b.*\b(clear|read)\b"
LIGHT_STATE = (
    _both(r"\blights?\b", r"\b(colou?r|state|status)\b")
    + r"|\blights?\b.*\b(shows?|showing|red|yellow|amber|green|off)\b"
)
OBSTACLE_CLASS = (
    r"^what( is|'s) (this|that|it)\W*$|\bwhat( is|'s) (this|that|the) "
    + _THING
    + r"|\b(what|which|kind|class|type|sort)( of)? "
    + _THING
)
OBSTACLE_VISIBLE_STATE = _both(_SEEN, _ROAD_USER)
ROAD_BLOCKAGE = r"\bblock(ed|age|s|ing)\b|\bobstruct(s|ed|ing|ion)\b|" + _ROAD + r".*\b(clear|open|closed|passable)\b"
ROAD_SURFACE = r"^(?!.*\bdriv).*\bsurface\b|" + _both(_ROAD, _WEATHER)
TRAFFIC_DENSITY = r"\btraffic\b(?! (signs?|lights?(?! or)|cones?)\b)|\bcongest(ed|ion)\b"

REFERRED_BOXES = r"(box|find|locate|detect|show|where (is|are)|which is|which are)( me)?\b"
REFERRED_POINTS = r"(point|click)( (at|to|on))?\b"
REFERRED_MASKS = r"(segment|mask|cut)( out)?\b"
