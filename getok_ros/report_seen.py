"""Sections of a report that show frames: the timeline, the worst, those worth labelling, questions, tokens."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from getok_core.lattice import Lattice
from getok_core.overlay import text_of
from getok_core.scene import Scene

from .replayed import Replayed
from .report_charts import legend
from .report_frames import FrameFacts
from .report_page import Asked, Page, Section
from .report_questions import card
from .report_timeline import timeline
from .report_tokens import figure, steps


def frames(page: Page) -> Section:
    """The picture of one frame, and the timeline on which it is chosen."""
    models = page.run.models
    shots = "<figure><img><figcaption></figcaption></figure>" * len(models)
    alone = " alone" * (len(models) == 1)
    line = (
        f'<div class="timeline" id="timeline" tabindex="0" role="slider" aria-label="frame" aria-valuemin="0"'
        f' aria-valuemax="{len(page.facts) - 1}">{timeline(page.facts, models)}<div class="cursor"></div>'
        '<div class="hover"><span></span></div></div>'
    )
    note = (
        f"Click the timeline, drag along it, or use the arrow keys. {len(page.album.drawn)} pictures are on this page."
    )
    body = f'<div class="shots{alone}" id="shots">{shots}</div><div class="when" id="when"></div>{legend(models)}{line}'
    return Section("frames", "Frames", "Frame by frame", note, body)


def worst(page: Page) -> Section | None:
    """Where most was lost against the labels, or what was said is malformed."""
    labelled = any(one.score is not None for one in page.worst)
    shots = [_shot(page, one.moment.frame, "at fault" if one.score is None else f"{100 * one.score:.0f} %",
                   one.worst or _faults(one)) for one in page.worst]  # fmt: skip
    if not shots:
        return None
    if not labelled:
        return Section("worst", "At fault", "Frames at fault", "What was said of them is malformed.", _gallery(shots))
    note = "Those that score lowest against the labels."
    return Section("worst", "Worst", "The worst frames", note, _gallery(shots))


def worth(page: Page) -> Section | None:
    """The head of worth_labelling.jsonl."""
    shots = [_shot(page, frame, "", why) for frame, why in page.worth]
    note = (
        "Where the model contradicts itself or another, or is unsure. The whole list is"
        " <code>worth_labelling.jsonl</code>, for CVAT with our proposals <code>cvat/</code>."
    )
    return Section("worth", "To label", "Frames worth labelling", note, _gallery(shots)) if shots else None


def questions(page: Page) -> Section | None:
    """A card a question."""
    moments = {one.moment.frame: one.moment for one in page.facts}
    cards = [card(moments[frame], question, answer, page.album.originals.get(frame))
             for frame, question, answer in page.asked]  # fmt: skip
    body = f'<div class="answers">{"".join(cards)}</div>'
    note = "Each was answered on the frame it names."
    return Section("questions", "Questions", "Questions and answers", note, body) if cards else None


def tokens(page: Page) -> Section | None:
    """The language, on one frame of this replay."""
    scene = page.run.scene(page.explained, page.run.models[0]) if page.explained else None
    if scene is None or not (scene.lanes or scene.obstacles or scene.signs):
        return None
    lattice, image = Lattice(), page.album.originals[page.explained]
    note = (
        f"The model writes no pixel numbers. It lays a grid of {lattice.n} by {lattice.n} cells over the frame and"
        " names cells, each one word of its vocabulary. Touch a token to see its cell."
    )
    body = figure(scene, image, lattice) + steps(scene, image, lattice)
    return Section("tokens", "Tokens", "How a picture becomes tokens", note, body)


def questions_shown(run: Replayed, most: int) -> list[Asked]:
    """The first answer to each question's words."""
    found: dict[str, Asked] = {}
    known = {moment.frame for moment in run.frames}
    for frame, model in (one for one in run.answered if one[0] in known and len(found) < most):
        for question, answer in run.answers(frame, model):
            found.setdefault(text_of(question), (frame, question, answer))
    return list(found.values())[:most]


def explained(run: Replayed, names: Sequence[str]) -> str:
    """Of these frames the one to explain tokens with: lanes the first model is sure of, and something in a box."""
    return max(names, key=lambda frame: _sureness(run.scene(frame, run.models[0])), default="")


def _sureness(scene: Scene | None) -> float:
    if scene is None:
        return -1.0
    boxes = max((thing.score for thing in (*scene.obstacles, *scene.signs)), default=0.0)
    return sum(sorted((lane.score for lane in scene.lanes), reverse=True)[:2]) + boxes - 0.3 * len(scene.faults)


def _gallery(shots: Sequence[str]) -> str:
    return f'<div class="gallery">{"".join(shots)}</div>'


def _shot(page: Page, frame: str, value: str, why: str) -> str:
    at = next(at for at, one in enumerate(page.facts) if one.moment.frame == frame)
    name = f"frame {page.facts[at].moment.index}"
    head = f"{name}, {value}" if value else name
    words = f"<b>{escape(head)}</b><span>{escape(why)}</span>"
    return f'<button class="shot" data-at="{at}"><img alt="{name}">{words}</button>'


def _faults(one: FrameFacts) -> str:
    return "; ".join(fault for said in one.said.values() for fault in said.faults)
