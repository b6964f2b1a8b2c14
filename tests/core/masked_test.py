"""Seeds become masks: one call of the segmenter for all answers, drawn, and written as polygons that lose no pixel."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from perceiver_test import IMAGE, LATTICE, MODEL_SIZE, VOCABULARY, cells, recorded

from getok_core.engines.segmenters import load_segmenter
from getok_core.errors import ModelError
from getok_core.geometry import Box, Mask, Seeds
from getok_core.grammar import write
from getok_core.masked import Masked, masked
from getok_core.metrics.areas import union
from getok_core.overlay import draw
from getok_core.perceiver import Perceiver
from getok_core.queries import question
from getok_core.scene import Answer, Scene
from getok_core.syntax import Instance, Part
from getok_core.vocabulary import END_ANSWER

MASKS = arrays(np.bool_, st.tuples(st.integers(1, 12), st.integers(1, 12)))


class Squares:
    """A segmenter that draws a square of 21 pixels around each seed, or fills a box, and counts its calls."""

    def __init__(self):
        self.calls = 0

    def masks(self, image, prompts):
        self.calls += 1
        y, x = np.indices(image.shape[:2]) + 0.5
        return [Mask(np.logical_or.reduce([self._inside(x, y, xy) for xy in self._parts(one)])) for one in prompts]

    def _parts(self, prompt):
        return [prompt.xy] if isinstance(prompt, Box) else [np.stack([xy - 10.5, xy + 10.5]) for xy in prompt.xy]

    def _inside(self, x, y, corners):
        (left, top), (right, bottom) = corners
        return (x > left) & (x < right) & (y > top) & (y < bottom)


@settings(deadline=None, max_examples=60)
@given(MASKS, st.booleans())
def test_polygons_give_back_every_pixel_also_through_json(pixels, boxed):
    prompt = Box.of((0, 0, 1, 2)) if boxed else Seeds(np.array([[0.5, 0.5], [3.0, 1.0]]))
    one = Masked("car", 0.5, prompt, Mask(pixels))
    size = pixels.shape[::-1]
    assert (union(one.polygons, size) == pixels).all()
    said = json.loads(json.dumps(one.to_json(), allow_nan=False))
    back = Masked.from_json(said, size)
    assert said["pixels"] == pixels.sum() and ("box" in said) == boxed
    assert (back.mask.pixels == pixels).all() and back.prompt == prompt and back.to_json() == said


def test_an_answer_with_masks_comes_back_from_its_json():
    one = Masked("car", 0.5, Seeds(np.array([[2.0, 1.0]])), Mask(np.eye(3, 4, dtype=bool)))
    said = json.loads(json.dumps(Answer("car", 0.5, (), Scene(4, 3), (one,)).to_json()))
    assert Answer.from_json(said).to_json() == said
    for broken, says in (({"label": "car"}, "without"), ({**one.to_json(), "polygons": 3}, "no mask")):
        with pytest.raises(ValueError, match=says):
            Answer.from_json({**said, "masks": [broken]})


def segmenting(*answers):
    """A perceiver that says these instances to "segment the <kind>" of a kind each, and its segmenter."""
    queries = [question(f"segment the {kind}") for kind, _ in answers]
    extra = [
        (query.prompt(VOCABULARY, LATTICE, MODEL_SIZE), [*write(said, VOCABULARY), END_ANSWER])
        for query, (_, said) in zip(queries, answers, strict=True)
    ]
    squares = Squares()
    return Perceiver(recorded(extra=extra), segmenter=squares), queries, squares


CAR = Instance("car", (Part("box", cells((8, 8), (12, 12))), Part("seg", cells((9, 9), (11, 11)))))
TRUCK = Instance("truck", (Part("box", cells((20, 8), (22, 12))), Part("seg", cells((21, 10)))))


def test_every_instance_named_by_seeds_gets_the_mask_of_its_own_seeds():
    perceiver, queries, squares = segmenting(("red car", [CAR, TRUCK]), ("bus", []), ("truck", [TRUCK]))
    _, (both, none, one) = perceiver.look(IMAGE, queries, ())
    assert squares.calls == 1, "the image is encoded once for all"
    assert [(m.label, len(m.prompt.xy), int(m.mask.pixels.sum())) for m in both.masks] == [
        ("car", 2, 2 * 20 * 21), ("truck", 1, 20 * 21),
    ]  # fmt: skip
    assert none.masks == () and "masks" not in none.to_json()
    assert (one.masks[0].mask.pixels == both.masks[1].mask.pixels).all()
    assert "masks" in both.scene.seconds and "masks" not in none.scene.seconds
    assert both.to_json()["masks"][0]["seeds"] == [[285.0, 160.3], [345.0, 194.1]]


def test_without_seeds_or_without_a_segmenter_nothing_is_drawn():
    perceiver, queries, squares = segmenting(("bus", []))
    perceiver.look(IMAGE, queries)
    assert squares.calls == 0
    perceiver, queries, squares = segmenting(("red car", [CAR]))
    perceiver.segmenter = None
    assert perceiver.ask(IMAGE, queries[0]).masks == ()
    assert masked(squares, IMAGE, []) == [] and squares.calls == 0


def test_masks_are_drawn_where_they_are_and_stretched_to_the_picture():
    pixels = np.zeros((90, 160), bool)
    pixels[40:60, 50:90] = True
    one = Masked("car", 0.5, Seeds(np.array([[70.0, 50.0]])), Mask(pixels))
    image, scene = np.full((90, 160, 3), 128, np.uint8), Scene(160, 90)
    plain = draw(image, scene)
    for picture in (draw(image, scene, masks=[one]), draw(image, scene, [("", Answer("", 0.5, (), scene, (one,)))])):
        changed = (picture != plain).any(-1)
        assert changed[42:58, 52:88].all() and not changed[:35].any() and not changed[:, 100:].any()
    half = replace(one, mask=Mask(pixels[::2, ::2]))
    assert (draw(image, scene, masks=[half])[42:58, 52:88] != plain[42:58, 52:88]).any(-1).all()


@pytest.mark.parametrize("name", ["nowhere", "empty"])
def test_a_folder_without_a_segmenter_is_refused_in_one_line(tmp_path, name):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelError, match="no segmenter at") as caught:
        load_segmenter(tmp_path / name)
    assert "\n" not in str(caught.value)
