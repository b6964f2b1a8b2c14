"""The gallery: scenes that suit their question, one tile a geometry, one line for what cannot be written or found."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from getok_core.engines.noise_engine import NoiseEngine
from getok_core.errors import DataError
from getok_core.queries import STANDING_TASKS
from training import gallery


@pytest.fixture(scope="module")
def frames():
    return list(gallery._scenes())


@pytest.fixture(scope="module", autouse=True)
def fewer_seeds():
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(gallery, "SEEDS", gallery.SEEDS[:80])
        yield


def test_questions_suit_their_scenes(frames):
    asked = {tile.title: next(gallery.frames_that_suit(tile, iter(frames))) for tile in gallery.TILES}
    assert len(asked) == len(gallery.TILES)
    query, frame = asked["polylines"]
    assert query.name == "lanes" and len(frame.scene.lanes) >= 3
    query, frame = asked["a box in the question"]
    assert any(np.array_equal(query.region.xyxy, sign.box) for sign in frame.scene.signs)
    for query, frame in asked.values():
        assert frame.image.mean() > gallery.BRIGHT
        assert query.name in STANDING_TASKS or frame.things


def test_a_gallery_of_nonsense_has_every_tile(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(gallery, "load_engine", lambda model, device: NoiseEngine(tokens=40))
    monkeypatch.setattr(gallery, "TILES", gallery.TILES[::4])
    out = tmp_path / "gallery.png"
    assert gallery.main(["--out", str(out)]) == 0
    assert "3 answers" in capsys.readouterr().out
    picture = cv2.imread(str(out))
    assert picture.shape == (540 + gallery.GAP, 3 * (960 + gallery.GAP), 3)
    tiles = picture[4:-4].reshape(540, 3, 968, 3).transpose(1, 0, 2, 3)
    assert all(tile.std() > 5 for tile in tiles)
    assert gallery.main(["--out", str(tmp_path / "missing" / "gallery.jpg")]) == 2
    assert capsys.readouterr().err.startswith("getok: cannot write")


def test_a_tile_that_no_scene_suits_is_one_line(monkeypatch):
    monkeypatch.setattr(gallery, "TILES", (gallery.Tile("crowds", lambda frame, rng: None),))
    monkeypatch.setattr(gallery, "SEEDS", gallery.SEEDS[:2])
    with pytest.raises(DataError, match="'crowds'"):
        gallery.gallery(NoiseEngine())
