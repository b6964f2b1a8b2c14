"""Track mode beside asking every frame in full: rendered drives with exact truth, and a real clip without any.

A drive goes ten frames a second, so things move further from frame to frame than on a camera of thirty. Each way of
tracking sees the same frames; a drive, or a second of the clip, is one group of the bootstrap.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from getok_core.carrying import LISTS
from getok_core.metrics.boxes import box_ious, match_boxes
from getok_core.metrics.consistency import agreement
from getok_core.metrics.intervals import Interval
from getok_core.metrics.lanes import lane_counts
from getok_core.metrics.scene_parts import scene_parts
from getok_core.metrics.tally import SECONDS, Block, Part, median_interval
from getok_core.perceiver import Perceiver
from getok_core.scene import Scene
from getok_core.tracking import Tracker, perceive
from getok_core.view import RGB
from training.real_views import View, clip_frames
from training.scenes import Rendered, drive
from training.scenes.things import Thing

from .frames import SIZE
from .sheet import Sheet

FULL = "every frame in full"
LINES = ("lanes", "drivable area")
WAYS: Mapping[str, tuple[int, tuple[str, ...], int]] = {
    FULL: (1, LISTS, -1),
    "N=5": (5, LISTS, -1),
    "N=5, half cells first": (5, LISTS, 1),
    "N=5, lines only, half cells first": (5, LINES, 1),
    "N=15, lines only, half cells first": (15, LINES, 1),
}
"""column -> every, lists and first step of getok_core.tracking.Tracker"""
FRAMES, FPS, FIRST_DRIVE = 20, 10, 1_008_000
"""of a rendered drive: how many, how many a second, and the seed of the first"""
CLIP_FRAMES, CLIP_FPS = 221, 25
ROWS = ("lanes within 2 %: F1", "lanes within 1 %: F1", "drivable area: IoU", "obstacles at IoU 0.5: F1",
        "signs at IoU 0.5: F1", "lights at IoU 0.5: F1")  # fmt: skip
CARRIED, SAME_ID = "frames on which something was carried over", "obstacles found twice running: same id"
FOUND, WAITED = "newcomers found while in view", "frames until a newcomer is found, mean, frames"
LEAST = 0.04
"""a newcomer is an obstacle this high, as part of the image's height, on every frame it is in view"""
IOU = 0.5


@dataclass
class Followed:
    """What one way of tracking said of one drive so far."""

    tracker: Tracker
    ids: dict[int, int] = field(default_factory=dict)
    """truth's track -> id of the box that was drawn for it on the frame before"""
    seen: dict[int, int] = field(default_factory=dict)
    """truth's track -> frame on which it was found first"""
    taken: list[float] = field(default_factory=list)


def drives(perceiver: Perceiver, count: int) -> list[Block]:
    """So many rendered drives of FRAMES frames, half of them highways by day."""
    sheet, taken = Sheet(), {way: list[float]() for way in WAYS}
    for seed in range(FIRST_DRIVE, FIRST_DRIVE + count):
        frames = drive(seed, FRAMES, SIZE, FPS, plain=seed % 2 == 0)
        for way, seconds in _drive(sheet, seed, perceiver, frames).items():
            taken[way] += seconds
    title = f"Track mode on {count} rendered drives of {FRAMES} frames, {FPS} a second"
    return [_with_seconds(sheet.block("drives", title, drives=count), taken)]


def clip(perceiver: Perceiver, data: Path, most: int = CLIP_FRAMES) -> list[Block]:
    """The real clip's first frames: what agrees with asking every frame in full, and the labelled lines found."""
    sheet, taken = Sheet(), {way: list[float]() for way in WAYS}
    trackers = {way: Tracker(*how) for way, how in WAYS.items()}
    for view in clip_frames(data, most):
        said = {way: _said(perceiver, one, view.image, view.frame, CLIP_FPS) for way, one in trackers.items()}
        for way, scene in said.items():
            taken[way].append(scene.seconds["total"])
            agreed = {f"{row}: agree": part for row, part in agreement(said[FULL], scene).items()}
            sheet.add("clip", way, view.frame // CLIP_FPS, agreed | _found(view, scene) | _carried(scene))
    return [_with_seconds(sheet.block("clip", f"Track mode on the first {most} frames of a real highway clip"), taken)]


def _found(view: View, scene: Scene) -> dict[str, Part]:
    """Labelled ego-lane lines that were found; nothing on a frame without labels."""
    drawn = [lane.points for lane in scene.lanes]
    counts = {t: lane_counts(view.lines, drawn, (scene.width, scene.height), t) for t in (0.02, 0.01) if view.lines}
    return {f"labelled lines found within {100 * t:g} %": (one.hits, one.truths) for t, one in counts.items()}


def _carried(scene: Scene) -> dict[str, Part]:
    return {CARRIED: (float(scene.tracked), 1.0)}


def _drive(sheet: Sheet, seed: int, perceiver: Perceiver, frames: Iterable[Rendered]) -> dict[str, list[float]]:
    ways = {way: Followed(Tracker(*how)) for way, how in WAYS.items()}
    views: list[list[Thing]] = []
    for number, frame in enumerate(frames):
        views.append([thing for thing in frame.things if thing.kind == "obstacle"])
        for way, one in ways.items():
            scene = _said(perceiver, one.tracker, frame.image, number, FPS)
            one.taken.append(scene.seconds["total"])
            parts = scene_parts(frame.scene, scene)
            own = {row: parts[row] for row in ROWS if row in parts} | _carried(scene)
            sheet.add("drives", way, seed, own | _same_ids(one, views[-1], scene, number))
    for way, one in ways.items():
        sheet.add("drives", way, seed, newcomer_parts(views, one.seen))
    return {way: one.taken for way, one in ways.items()}


def _said(perceiver: Perceiver, tracker: Tracker, image: RGB, number: int, fps: int) -> Scene:
    return perceive(perceiver, tracker, image, 10**9 + round(number * 1e9 / fps))


def _same_ids(one: Followed, truths: list[Thing], scene: Scene, number: int) -> dict[str, Part]:
    """Whether true obstacles that were found on the frame before too are drawn with the same id."""
    ious = box_ious([thing.box for thing in truths], [obstacle.box for obstacle in scene.obstacles])
    pairs = match_boxes(ious, [obstacle.score for obstacle in scene.obstacles], IOU)
    now = {truths[pair.truth].track: scene.obstacles[pair.drawn].id for pair in pairs}
    for track in now:
        one.seen.setdefault(track, number)
    both = one.ids.keys() & now.keys()
    same, one.ids = sum(one.ids[track] == now[track] for track in both), now
    return {SAME_ID: (float(same), float(len(both)))}


def newcomer_parts(views: list[list[Thing]], seen: Mapping[int, int]) -> dict[str, Part]:
    """Obstacles that come into view after the first frame: how many are found, and after how many frames.

    views: obstacles of each frame; seen: track -> the first frame on which it was found.
    """
    first = {track: at for at, things in reversed(list(enumerate(views))) for track in (one.track for one in things)}
    small = {one.track for things in views for one in things if one.box[3] - one.box[1] < LEAST * SIZE[1]}
    came = [track for track, at in first.items() if at > 0 and track not in small]
    found = [seen[track] - first[track] for track in came if track in seen]
    return {FOUND: (float(len(found)), float(len(came))), WAITED: (float(sum(found)), float(len(found)))}


def _with_seconds(block: Block, taken: Mapping[str, list[float]]) -> Block:
    """The table with the median time of a frame, and in JSON the longest."""
    columns: dict[str, dict[str, Interval]] = {
        way: cells | {SECONDS: median_interval(taken[way])} for way, cells in block.columns.items()
    }
    return Block(block.title, columns, {**block.details, "longest seconds": {w: max(t) for w, t in taken.items()}})
