"""--segmenter on the command line: masks in JSON, table and picture, or one clear line. All models are scripted."""

from __future__ import annotations

import json
from argparse import Namespace
from dataclasses import replace

import numpy as np
import pytest
from cli_test import Scripted, model, picture, refused, run  # noqa: F401

from getok_core.engines import segmenters
from getok_core.geometry import Box, Mask, Seeds
from getok_core.masked import masked
from getok_core.queries import question
from getok_core.scene import Answer, Obstacle, Scene
from getok_core.view import read_image
from getok_ros import perceive, segmenting

ASKED = question("segment the red car")


class Filler:
    """Fills boxes, and the left half of the image for seeds."""

    def masks(self, image, prompts):
        drawn = np.zeros((len(prompts), *image.shape[:2]), bool)
        for mask, prompt in zip(drawn, prompts, strict=True):
            left, top, right, bottom = (
                prompt.xy.reshape(4) if isinstance(prompt, Box) else (0, 0, image.shape[1] / 2, 999)
            )
            mask[round(top) : round(bottom), round(left) : round(right)] = True
        return [Mask(mask) for mask in drawn]


class Seeding(Scripted):
    """Names one car by a seed, and makes its mask with the segmenter it was given."""

    segmenter = None

    def ask(self, image, query) -> Answer:
        said = Answer("car", 0.5, (np.array([[40.0, 45.0]]),), Scene(image.shape[1], image.shape[0]))
        if self.segmenter is None:
            return said
        return replace(said, masks=tuple(masked(self.segmenter, image, [("car", 0.5, Seeds(said.points[0]))])))


@pytest.fixture
def loaded(monkeypatch):
    """Folders of segmenters that were loaded, as (folder, device)."""
    asked = []

    def load(folder, device="cpu", threads=0):
        asked.append((str(folder), device))
        return Filler()

    monkeypatch.setattr(segmenters, "load_segmenter", load)
    monkeypatch.setattr(perceive, "load_perceiver", lambda arguments: Seeding())
    return asked


def test_an_answer_by_seeds_has_masks_in_json_and_picture(picture, loaded, capfd):  # noqa: F811
    made = picture.parent / "answer.png"
    code, out, _ = run(capfd, "ask", picture, ASKED.text, "--segmenter", "sam")
    assert code == 0 and loaded == [("sam", "cpu")]
    (mask,) = json.loads(out)["masks"]
    assert mask == {"label": "car", "score": 0.5, "seeds": [[40.0, 45.0]], "pixels": 80 * 90,
                    "polygons": [[[80, 0], [80, 90], [0, 90], [0, 0]]]}  # fmt: skip
    assert run(capfd, "ask", picture, "segment the red car", "--segmenter", "sam", "--overlay", made)[0] == 0
    drawn = read_image(made).astype(int)
    assert abs(drawn[20, 5:30] - drawn[20, 95:120]).mean() > 0


def test_the_segmenter_that_comes_with_the_package_is_taken_for_seeds_alone(loaded, tmp_path, monkeypatch):
    monkeypatch.setattr(segmenting, "default_segmenter", lambda: tmp_path)
    free = Namespace(segmenter=None, device="http://localhost:1")
    assert segmenting.segmenter_of(free, ASKED) is None, "there is none"
    (tmp_path / "manifest.json").touch()
    assert segmenting.segmenter_of(free) is None and segmenting.segmenter_of(free, question("box the red car")) is None
    assert loaded == []
    assert segmenting.segmenter_of(free, ASKED) is not None and loaded == [(str(tmp_path), "cpu")]


def test_obstacles_get_masks_from_their_boxes(picture, loaded, capfd):  # noqa: F811
    code, out, _ = run(capfd, "perceive", picture, "--json", "--segmenter", "sam")
    (mask,) = json.loads(out)["masks"]
    assert code == 0 and mask["label"] == "car" and mask["box"] == [80.0, 45.0, 96.0, 54.0]
    assert mask["pixels"] == 16 * 9
    assert "144 pixels" in run(capfd, "perceive", picture, "--segmenter", "sam")[1]
    assert "masks" not in json.loads(run(capfd, "perceive", picture, "--json")[1])


def test_a_box_without_a_side_has_no_mask():
    flat = Obstacle("car", 0.5, np.array([5.0, 5.0, 5.0, 9.0]))
    full = Obstacle("bus", 0.5, np.array([5.0, 5.0, 7.0, 9.0]))
    image = np.zeros((20, 20, 3), np.uint8)
    assert [one.label for one in segmenting.masked_boxes(Filler(), image, Scene(20, 20, obstacles=(flat, full)))] == [
        "bus"
    ]


@pytest.mark.parametrize("verb", [["ask", ASKED.text], ["perceive"]])
def test_a_segmenter_that_is_none_is_refused_in_one_line(model, picture, capfd, tmp_path, verb):  # noqa: F811
    name, *text = verb
    assert "no segmenter at" in refused(capfd, name, picture, *text, "--segmenter", tmp_path / "nowhere")
