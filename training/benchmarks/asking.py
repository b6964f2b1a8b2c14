"""A model asked about samples through the product's own path, in any format; what it says, in pixels of the image."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np

from getok_core.cover import mask_of
from getok_core.errors import ImageError, QueryError
from getok_core.geometry import Box
from getok_core.metrics.areas import Area, union
from getok_core.perceiver import Look, Perceiver
from getok_core.protocol import Limits, MaskDecoder, Request
from getok_core.scene import Answer
from getok_core.syntax import AnswerForm
from getok_core.view import RGB, View, read_image
from getok_core.vocabulary import ANSWER, END_ANSWER
from training.datasets.sample import Sample
from training.datasets.skipped import Skipped
from training.formats import Format, Said, Thing

AT_ONCE = 16
"""questions about one image in one batch"""


@dataclass(frozen=True)
class Asker:
    """One model in one format."""

    perceiver: Perceiver
    form: Format
    segmenter: MaskDecoder | None = None
    """makes masks of what an answer of kind seg says"""

    def answers(self, samples: Sequence[Sample], images: Path, skipped: Skipped) -> Iterator[tuple[Sample, Said]]:
        """Each sample with what was said, image by image. An image that cannot be read is noted and left out.

        Raises ModelError when the engine fails.
        """
        for name, group in groupby(sorted(samples, key=lambda sample: sample.image), lambda sample: sample.image):
            asked = list(group)
            try:
                image = read_image(images / name)
            except ImageError as error:
                skipped.note(images / name, f"{len(asked)} samples", str(error))
                continue
            fitting = [sample for sample in asked if sample.size in ((0, 0), image.shape[1::-1])]
            for sample in asked:
                if sample not in fitting:
                    width, height = image.shape[1::-1]
                    skipped.note(images / name, sample.source, f"is {width} x {height}, the sample says {sample.size}")
            for at in range(0, len(fitting), AT_ONCE):
                some = fitting[at : at + AT_ONCE]
                yield from zip(some, self.said(some, image), strict=True)

    def said(self, samples: Sequence[Sample], image: RGB) -> list[Said]:
        """One answer a sample about one image (H, W, 3). A question that cannot be asked is a fault, not an error."""
        try:
            answers = self._spoken(samples, image) if self.form.spoken else self._seen(samples, image)
        except QueryError:
            if len(samples) == 1:
                return [Said(faults=1)]
            return [self.said([sample], image)[0] for sample in samples]
        return [self._masked(sample, one, image) for sample, one in zip(samples, answers, strict=True)]

    def _seen(self, samples: Sequence[Sample], image: RGB) -> list[Said]:
        """In the language: what the product makes of it."""
        view = self._view(image)
        shown = [self.form.ask(sample.query, sample.kind, image, view) for sample in samples]
        looks = [Look(pixels, [query], ()) for pixels, query in shown if pixels is not image]
        whole = [query for pixels, query in shown if pixels is image]
        seen = self.perceiver.look_at([*([Look(image, whole, ())] if whole else []), *looks])
        plain = iter(seen[0].answers if whole else [])
        marked = iter(one.answers[0] for one in seen[bool(whole) :])
        answers = [(next(plain if pixels is image else marked), pixels) for pixels, _ in shown]
        return [_heard(answer, one.kind, image, pixels) for one, (answer, pixels) in zip(samples, answers, strict=True)]

    def _spoken(self, samples: Sequence[Sample], image: RGB) -> list[Said]:
        """In plain text: what the format reads in it."""
        view, engine, lattice = self._view(image), self.perceiver.engine, self.perceiver.lattice
        shown = [self.form.ask(sample.query, sample.kind, image, view) for sample in samples]
        different = {id(pixels): pixels for pixels, _ in shown}
        pictures = [View(pixels.shape[1::-1], view.model).resize(pixels) for pixels in different.values()]
        frames_of = {key: frame for frame, key in enumerate(different)}
        prompts = [query.prompt(engine.vocabulary, lattice, view.size) for _, query in shown]
        forms = [AnswerForm("text", query.options, 1, may_be_none=not query.options) for _, query in shown]
        requests = [
            Request(prompt if self.form.answers_at_once or query.options else prompt[:-1], form, frames_of[id(pixels)])
            for prompt, form, (pixels, query) in zip(prompts, forms, shown, strict=True)
        ]
        with engine.open(pictures) as frames:
            replies = frames.propose(requests, Limits(engine.manifest.tokens, self.perceiver.deadline_s))
        texts = [engine.vocabulary.spell(_answer(reply.ids.tolist())) for reply in replies]
        return [
            Said(text=text.strip()) if sample.kind == "text" else self.form.parse(text, view)
            for sample, text in zip(samples, texts, strict=True)
        ]

    def _masked(self, sample: Sample, said: Said, image: RGB) -> Said:
        """With the union of its masks, where the sample asks for masks."""
        if sample.kind != "seg":
            return said
        shape = image.shape[1::-1]
        area: Area = union([one.xy for one in said.of("poly")], shape)
        if self.segmenter is not None:
            boxes = [] if said.prompts else [Box(one.xy) for one in said.of("box") if (one.xy[1] > one.xy[0]).all()]
            for mask in [mask_of(self.segmenter, image, seeds) for seeds in said.prompts]:
                area = area | mask.pixels
            for mask in self.segmenter.masks(image, boxes) if boxes else ():
                area = area | mask.pixels
        return Said(said.things, said.text, said.faults, area)

    def _view(self, image: RGB) -> View:
        return View(image.shape[1::-1], self.perceiver.manifest.view)


def _heard(answer: Answer, kind: str, image: RGB, shown: RGB) -> Said:
    """An answer of the product, to a question of a kind about the image shown, in pixels of the image."""
    scene, by = answer.scene, np.asarray(image.shape[1::-1]) / shown.shape[1::-1]
    things = [Thing("pl", lane.points * by, lane.label, lane.score) for lane in scene.lanes]
    things += [Thing("poly", area.points * by, area.label, area.score) for area in scene.drivable_areas]
    boxed = [*((one.label, one) for one in scene.obstacles), *((one.label, one) for one in scene.signs),
             *((one.state, one) for one in scene.lights)]  # fmt: skip
    things += [Thing("box", one.box.reshape(2, 2) * by, label, one.score) for label, one in boxed]
    for xy in answer.points:
        things += [Thing("pt" if len(xy) == 1 and kind != "seg" else "seg", xy * by, score=answer.score)]
    return Said(tuple(things), answer.answer, len(scene.faults))


def _answer(ids: list[int]) -> list[int]:
    """The ids between `<answer>` and `</answer>`, where these stand."""
    start = ids.index(ANSWER) + 1 if ANSWER in ids else 0
    return ids[start : ids.index(END_ANSWER, start) if END_ANSWER in ids[start:] else None]
