"""The greedy cover chooses exactly what the naive loop chooses; points go to a mask and back through a segmenter."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from getok_core import cover as module
from getok_core.cover import bits_by_table, cover, mask_of, pack, points_of
from getok_core.geometry import Mask, Seeds
from getok_core.lattice import Lattice
from getok_core.metrics.areas import overlap
from training.cover_speed import naive_cover


@st.composite
def cases(draw):
    """Proposals (N, H, W) and a truth (H, W), blocky or noisy, some alike, some empty."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    count, height, width = draw(st.integers(0, 12)), draw(st.integers(1, 11)), draw(st.integers(1, 23))
    masks = np.zeros((count + 1, height, width), np.bool_)
    for mask in masks:
        top, left = rng.integers(0, height), rng.integers(0, width)
        mask[top : top + rng.integers(0, height + 1), left : left + rng.integers(0, width + 1)] = True
    masks ^= rng.random(masks.shape) < draw(st.sampled_from((0.0, 0.1, 0.5)))
    return masks[:-1], masks[-1]


@given(cases(), st.sampled_from((0.3, 0.8, 0.95, 1.0)))
def test_the_cover_is_the_naive_loops_to_the_last_bit(case, tau):
    proposals, truth = case
    found = cover(pack(proposals), pack(truth[None])[0], tau)
    assert found == naive_cover(proposals, truth, tau)
    union = proposals[list(found.chosen)].any(0)
    if found.chosen:
        assert found.ious[-1] == overlap(union, truth).iou
    assert list(found.ious) == sorted(set(found.ious)) and all(iou < tau for iou in found.ious[:-1])


@given(cases())
def test_counting_by_table_is_counting(case):
    masks, _ = case
    assert (bits_by_table(pack(masks)).sum(1, np.int64) == masks.sum((1, 2))).all()


def test_an_old_numpy_finds_the_same_cover(monkeypatch):
    rng = np.random.default_rng(3)
    proposals, truth = rng.random((40, 33, 31)) < 0.5, rng.random((33, 31)) < 0.6
    expected = cover(pack(proposals), pack(truth[None])[0])
    monkeypatch.setattr(module, "_NATIVE", None)
    assert cover(pack(proposals), pack(truth[None])[0]) == expected and len(expected.chosen) > 1


def test_by_hand():
    """Ten pixels in a row, truth 0..5: 1..6 first (5/7), then 0..2 (6/7); the right half adds nothing but errors."""
    truth = np.arange(10)[None] < 6
    proposals = np.stack([(np.arange(10)[None] >= a) & (np.arange(10)[None] < b) for a, b in ((0, 3), (1, 7), (5, 10))])
    found = cover(pack(proposals), pack(truth[None])[0])
    assert found.chosen == (1, 0) and found.ious == (5 / 7, 6 / 7)


def test_masks_of_different_sizes_are_refused():
    with pytest.raises(ValueError, match="use one image size"):
        cover(pack(np.zeros((2, 30, 30), np.bool_)), pack(np.zeros((1, 3, 3), np.bool_))[0])


class Quarters:
    """A segmenter that returns the quarter of the image in which the first seed lies."""

    def masks(self, image, prompts):
        height, width = image.shape[:2]
        y, x = np.mgrid[:height, :width]
        return [
            Mask((x * 2 // width == int(s.xy[0, 0] * 2 // width)) & (y * 2 // height == int(s.xy[0, 1] * 2 // height)))
            for s in prompts
        ]


def test_a_mask_becomes_points_and_the_points_the_mask():
    image, truth = np.zeros((64, 128, 3), np.uint8), np.ones((64, 128), np.bool_)
    truth[:32, :64] = False
    cells, found = points_of(Quarters(), image, Mask(truth), Lattice(16))
    assert len(cells) == 3 and found.ious[-1] == 1.0
    assert {(i // 8, j // 8) for i, j in cells.tolist()} == {(1, 0), (0, 1), (1, 1)}
    seeds = Seeds(Lattice(16).decode(cells, (128, 64)))
    assert (mask_of(Quarters(), image, seeds).pixels == truth).all()
