"""The questions of a report: each with the surroundings of the region it was asked about, and the answer."""

from __future__ import annotations

from dataclasses import replace
from html import escape

import cv2
import numpy as np
from numpy.typing import NDArray

from getok_core.geometry import Shape
from getok_core.overlay import Question, draw, text_of
from getok_core.queries import SceneQuery
from getok_core.scene import THINGS, Answer
from getok_core.view import RGB

from .replayed import Moment
from .scene_picture import data_uri, resized

WIDE, HIGH = 720, 405


def card(moment: Moment, question: Question, answer: Answer, image: RGB | None) -> str:
    """One question and its answer as HTML; image: the frame (H, W, 3) as it was recorded, or None."""
    region = question.region if isinstance(question, SceneQuery) else None
    where, picture = f"frame {moment.index}", ""
    if region is not None:
        where += f", {extent(region)}"
    if image is not None:
        bare = replace(answer.scene, model="", seconds={}, faults=())
        shown = draw(resized(image, WIDE), bare) if region is None else around(image, region.xy)
        picture = f'<img src="{data_uri(shown)}" alt="">'
    words = f"<q>{escape(text_of(question))}</q><strong>{escape(answer_words(answer))}</strong>"
    return (
        f'<div class="answer">{picture}<div>{words}<small>score {answer.score:.2f}, {escape(where)}</small></div></div>'
    )


def answer_words(answer: Answer) -> str:
    """The answer in words, or what it drew counted."""
    held = [f"{len(getattr(answer.scene, name))} {name.replace('_', ' ')}" for name in THINGS
            if getattr(answer.scene, name)]  # fmt: skip
    return ", ".join(held) + " drawn" if held else answer.answer


def extent(region: Shape) -> str:
    """Kind and extent of a region in pixels."""
    (left, top), (right, bottom) = region.xy.min(axis=0), region.xy.max(axis=0)
    return f"{region.kind} x {left:.0f}..{right:.0f}, y {top:.0f}..{bottom:.0f}"


def around(image: RGB, xy: NDArray[np.float64]) -> RGB:
    """The surroundings of a region (N, 2) as a picture of WIDE x HIGH, with its extent outlined."""
    (left, top), (right, bottom) = xy.min(axis=0), xy.max(axis=0)
    height, width = image.shape[:2]
    half = min(max(right - left, (bottom - top) * 16 / 9, width / 24) * 1.3, width / 2)
    x = float(np.clip((left + right) / 2, half, max(width - half, half)))
    y = float(np.clip((top + bottom) / 2, half * 9 / 16, max(height - half * 9 / 16, half * 9 / 16)))
    scale = WIDE / (2 * half)
    into = np.array([[scale, 0, WIDE / 2 - scale * x], [0, scale, HIGH / 2 - scale * y]])
    crop = cv2.warpAffine(image, into, (WIDE, HIGH), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]]) * scale + into[:, 2]
    for colour, thick in (((16, 20, 24), 6), ((250, 250, 250), 3)):
        cv2.polylines(crop, [np.rint(corners).astype(np.int32)], True, colour, thick, cv2.LINE_AA)
    return np.asarray(crop, np.uint8)
