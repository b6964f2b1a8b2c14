"""The picture of seeds and masks: seeds alone above, what they become below, one line where nothing can be shown."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is missing: install the training extra")

from getok_core.errors import DataError
from getok_core.geometry import Mask
from training import mask_pictures
from training.gallery import GAP, SIZE
from training.scenes import render


class Rows:
    """Draws rows 400 to 500 whatever it is asked."""

    def masks(self, image, prompts):
        pixels = np.zeros(image.shape[:2], bool)
        pixels[400:500] = True
        return [Mask(pixels) for _ in prompts]


@pytest.fixture(scope="module")
def frames():
    rendered = (render(seed, SIZE) for seed in mask_pictures.SEEDS[:40])
    wanted = (frame for frame in rendered if len(mask_pictures.named_in(frame)) >= mask_pictures.THINGS)
    return [frame for _, frame in zip(range(mask_pictures.COLUMNS), wanted, strict=False)]


def test_seeds_stand_above_and_their_masks_below(frames):
    made = mask_pictures.picture(Rows(), iter(frames))
    height, width = SIZE[1] + GAP, SIZE[0] + GAP
    assert made.shape == (2 * height, mask_pictures.COLUMNS * width, 3)
    above, below = made[:height, :width].astype(int), made[height:, :width].astype(int)
    changed = (above != below).any(-1)[:, GAP:-GAP]
    assert changed[GAP // 2 + 402 : GAP // 2 + 480, width // 2 :].all() and not changed[:380].any()


def test_seeds_lie_in_what_they_name(frames):
    for frame in frames:
        large = [thing for thing in frame.things if (frame.ids == thing.ident).mean() >= mask_pictures.SHARE]
        named = mask_pictures.named_in(frame)
        assert [label for label, _, _ in named] == [thing.label for thing in large]
        for thing, (_, _, seeds) in zip(large, named, strict=True):
            x, y = seeds.xy.astype(int).T
            assert (frame.ids[y, x] == thing.ident).all()


def test_what_cannot_be_shown_or_written_is_one_line(frames, tmp_path, monkeypatch, capsys):
    with pytest.raises(DataError, match="fewer than 3 scenes"):
        mask_pictures.picture(Rows(), iter(frames[:1]))
    out = tmp_path / "masks.jpg"
    assert mask_pictures.main(["--segmenter", str(tmp_path / "nowhere"), "--out", str(out)]) == 2
    monkeypatch.setattr(mask_pictures, "load_segmenter", lambda folder: Rows())
    monkeypatch.setattr(mask_pictures, "render", lambda seed, size: frames[seed % len(frames)])
    monkeypatch.setattr(mask_pictures, "BRIGHT", 0)
    assert mask_pictures.main(["--out", str(tmp_path / "no" / "masks.jpg")]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 2 and "no segmenter at" in said and "cannot write" in said
    assert mask_pictures.main(["--out", str(out)]) == 0 and out.stat().st_size > 10_000
