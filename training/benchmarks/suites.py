"""The paper's benchmarks (i) to (vii) by name: which samples each takes, how it asks them, what an answer adds.

Every number but the captions' is a ratio of sums over samples, with its 95 % bootstrap interval over images.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from getok_core.geometry import Box, Point, Polygon
from getok_core.labels.segmentation import area_of
from getok_core.metrics.areas import Area, filled, overlap, union
from getok_core.metrics.boxes import box_counts, box_ious
from getok_core.metrics.lanes import culane_counts, culane_ious, lane_counts
from getok_core.metrics.tally import SEEDS, Part, f1_parts
from getok_core.metrics.tusimple import tusimple_parts
from training.datasets.sample import Labelled, Sample
from training.datasets.wording import BOX, POINT, SEGMENT
from training.formats import Said

from .masks import gres_parts, lisa_parts, united
from .points import pointing_parts

SEVEN = {
    "obstacle class": "static obstacle: classification", "obstacle visible state": "static obstacle: visible state",
    "road blockage": "road: blockage status", "road surface": "road: surface condition",
    "traffic density": "road: traffic density", "sign colour": "traffic sign: colour",
    "sign visible state": "traffic sign: visible state",
}  # fmt: skip
"""the driving study's attribute tasks, as table 4 has them"""
LANE_TOLERANCE = 0.02
"""of the image width: how near a line must lie over 75 % of its label's length (ours; the paper gives no rule)"""
DISC = 0.05
"""of an image's shorter side: around a thing that is known by one point alone, what counts as hit (ours)"""

Parts = Mapping[str, Part]


@dataclass(frozen=True)
class Suite:
    """One benchmark."""

    name: str
    says: str
    asks: Callable[[Sample], Sample | None]
    """the sample as it is asked, None where it does not belong"""
    parts: Callable[[Sample, Said], Parts]
    """of the sample as it is asked"""
    masks: bool = False
    """a segmenter is needed"""


# -- which samples -----------------------------------------------------------------------------------------------


def _one_box(sample: Sample) -> Sample | None:
    return sample if sample.kind == "box" and len(sample.answer) == 1 else None


def _mask(sample: Sample) -> Sample | None:
    return sample if sample.kind == "seg" and _masked(sample) else None


def _something(sample: Sample) -> Sample | None:
    return _mask(sample) if sample.answer else None


def _pointed(sample: Sample) -> Sample | None:
    """Points, or the same expression with another verb: masks and boxes tell better than a point what may be hit."""
    for verb in (BOX, SEGMENT):
        if sample.kind in ("box", "seg") and _masked(sample) and sample.query.text.startswith(verb + " "):
            text = POINT + sample.query.text[len(verb) :]
            return replace(sample, query=replace(sample.query, name="", text=text), kind="pt")
    return sample if sample.kind == "pt" else None


def _masked(sample: Sample) -> bool:
    """Whether each object of a question for masks has its pixels; points that stand for a mask are not enough."""
    return sample.kind != "seg" or all(one.mask is not None for one in things_of(sample))


def _kind(kind: str) -> Callable[[Sample], Sample | None]:
    return lambda sample: sample if sample.kind == kind else None


def _attribute(sample: Sample) -> Sample | None:
    return sample if sample.query.name in SEVEN and isinstance(sample.answer, str) else None


def things_of(sample: Sample) -> tuple[Labelled, ...]:
    """The true objects of a sample that is not answered in words."""
    return () if isinstance(sample.answer, str) else sample.answer


# -- what an answer adds -----------------------------------------------------------------------------------------


def rec_parts(sample: Sample, said: Said) -> Parts:
    """The surest box against the only one meant; IoU of exactly the threshold counts, as in MDETR's evaluator."""
    truth = _boxes(sample)[0]
    iou = float(box_ious([truth], said.boxes[:1])[0, 0]) if said.boxes else 0.0
    return {f"REC: Acc@{at}": (float(iou >= at), 1.0) for at in (0.5, 0.8)}


def boxes_parts(sample: Sample, said: Said) -> Parts:
    """All boxes of a list, one to one, the surest first."""
    scores = [one.score for one in sorted(said.of("box"), key=lambda one: -one.score)]
    return f1_parts("boxes at IoU 0.5", box_counts(box_ious(_boxes(sample), said.boxes), scores))


def reasoned_parts(sample: Sample, said: Said) -> Parts:
    """LISA's gIoU and cIoU, and how many points a mask takes (table 3; tags and the box are not counted)."""
    masks = said.of("seg")
    points = {SEEDS: (float(sum(len(one.xy) for one in masks)), float(len(masks)))}
    ignored = None if sample.ignore is None else area_of(sample.ignore, sample.size)
    return {**lisa_parts(_area(sample), _drawn(sample, said), ignored), **points}


def generalised_parts(sample: Sample, said: Said) -> Parts:
    """gRefCOCO's. An answer without any object says that nothing is there."""
    return gres_parts(_area(sample), _drawn(sample, said), none=not said.things)


def points_parts(sample: Sample, said: Said) -> Parts:
    """Points against masks, boxes, or discs around points."""
    areas = [_hit_area(one, sample) for one in things_of(sample)]
    return pointing_parts(areas, [one.xy for one in said.of("pt")])


def lanes_parts(sample: Sample, said: Said) -> Parts:
    """Precision, recall and F1 within a tolerance and as CULane paints lanes, and TuSimple's accuracy."""
    truths = [one.shape.xy for one in things_of(sample) if one.shape is not None]
    drawn = [one.xy for one in said.of("pl")]
    near = f1_parts("lanes within 2 %", lane_counts(truths, drawn, sample.size, LANE_TOLERANCE))
    culane = f1_parts("lanes, CULane at IoU 0.5", culane_counts(culane_ious(truths, drawn, sample.size)))
    return near | culane | tusimple_parts(truths, drawn, sample.size)


def areas_parts(sample: Sample, said: Said) -> Parts:
    """Outlines, filled and united: cumulative IoU."""
    truth = union([one.shape.xy for one in things_of(sample) if one.shape is not None], sample.size)
    both, either = overlap(truth, union([one.xy for one in said.of("poly")], sample.size))
    return {"areas: cIoU": (float(both), float(either))}


def attribute_parts(sample: Sample, said: Said) -> Parts:
    """Accuracy: the very word of the list."""
    right = said.text.strip().rstrip(".").lower() == str(sample.answer).lower()
    return {SEVEN[sample.query.name]: (float(right), 1.0)}


def _boxes(sample: Sample) -> list[np.ndarray]:
    return [one.shape.xyxy for one in things_of(sample) if isinstance(one.shape, Box)]


def _area(sample: Sample) -> Area:
    width, height = sample.size
    return united([one.area(sample.size) for one in things_of(sample)], (height, width))


def _drawn(sample: Sample, said: Said) -> Area:
    width, height = sample.size
    return said.area if said.area is not None else np.zeros((height, width), np.bool_)


def _hit_area(thing: Labelled, sample: Sample) -> Area:
    if thing.mask is not None:
        return thing.area(sample.size)
    shape = thing.shape
    assert shape is not None
    if isinstance(shape, Box):
        left, top, right, bottom = shape.xyxy
        return filled(np.array([[left, top], [right, top], [right, bottom], [left, bottom]]), sample.size)
    if isinstance(shape, Polygon):
        return filled(shape.xy, sample.size)
    centre = shape.xy[0] if isinstance(shape, Point) else shape.xy.mean(0)
    turn = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    return filled(centre + DISC * min(sample.size) * np.stack([np.cos(turn), np.sin(turn)], axis=1), sample.size)


SUITES: dict[str, Suite] = {
    suite.name: suite
    for suite in (
        Suite("rec", "(i) referring expression comprehension: one box meant", _one_box, rec_parts),
        Suite("res", "(ii) referring expression segmentation, LISA's rule", _something, reasoned_parts, masks=True),
        Suite("reason", "(iii) reasoning segmentation, LISA's rule", _mask, reasoned_parts, masks=True),
        Suite("gres", "(v) generalised: several or none meant, gRefCOCO's rule", _mask, generalised_parts, masks=True),
        Suite("point", "object pointing", _pointed, points_parts),
        Suite("lane", "(vi) lane polylines", _kind("pl"), lanes_parts),
        Suite("driving", "(vii) driving study: attributes", _attribute, attribute_parts),
        Suite("area", "(vii) driving study: drivable area", _kind("poly"), areas_parts),
        Suite("boxes", "(vii) driving study: lists of boxes", _kind("box"), boxes_parts),
    )
}
"""beside these, (iv) caption: see captions.py"""
