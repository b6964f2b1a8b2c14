"""The nano segmenter that comes with getok: small, whole, and it draws what it is pointed at."""

from __future__ import annotations

from argparse import Namespace

import numpy as np
import pytest

from getok_core.engines.nano_segmenter import NanoSegmenter
from getok_core.engines.segmenters import load_segmenter
from getok_core.geometry import Box, Seeds
from getok_core.lattice import Lattice
from getok_core.metrics.areas import overlap
from getok_core.queries import question
from getok_ros.segmenting import segmenter_of
from getok_ros.share import default_segmenter
from training.masks import extent, seeds_of
from training.scenes import render

SIZE = (960, 540)
pytestmark = pytest.mark.skipif(
    not (default_segmenter() / "manifest.json").is_file(), reason="models/nano_segmenter is missing from this checkout"
)


def test_it_fits_beside_the_model_and_its_card_names_it():
    files = {path.name: path.stat().st_size for path in default_segmenter().iterdir()}
    assert sum(files.values()) <= 6 * 2**20
    assert {"manifest.json", "README.md", "encoder.onnx", "decoder.onnx"} == set(files)


def test_it_draws_large_things_from_seeds_and_from_boxes():
    segmenter = load_segmenter(default_segmenter(), threads=1)
    ious = []
    for seed in range(1_009_100, 1_009_110):
        frame = render(seed, SIZE)
        masks = [mask for thing in frame.things if (mask := frame.ids == thing.ident).mean() > 0.004]
        seeds = [Seeds(Lattice().decode(seeds_of(mask), SIZE)) for mask in masks]
        for prompts in (seeds, [Box.of(extent(mask).tolist()) for mask in masks]):
            drawn = segmenter.masks(frame.image, prompts)
            ious += [overlap(mask, one.pixels).iou for mask, one in zip(masks, drawn, strict=True)]
    assert len(ious) > 8 and np.mean(ious) > 0.35, "far above what a disc or a full box around the point gives"


def test_a_question_that_segments_takes_it_by_itself():
    taken = segmenter_of(Namespace(segmenter=None, device="cpu"), question("segment the red car"))
    assert isinstance(taken, NanoSegmenter) and taken.folder == default_segmenter() and taken.sessions
