"""The tracking suite: one who sees everything scores everything, a newcomer is counted once, missing data is told."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from getok_core.errors import DataError
from getok_core.scene import Obstacle, Scene
from training.scenes import Rendered
from training.scenes.things import Thing
from training.suites import tracking
from training.suites.tracking import CARRIED, FOUND, FULL, SAME_ID, WAITED, WAYS, newcomer_parts

SIZE = (320, 180)


def thing(track: int, left: float, height: float = 40.0) -> Thing:
    box = np.array([left, 60.0, left + 40.0, 60.0 + height])
    return Thing(2 + track, track, "obstacle", "car", "red", box, 20.0, 0.0, "clear")


def rendered(number: int, things: list[Thing]) -> Rendered:
    """A frame whose first pixel is its number; the things are its obstacles."""
    image = np.full((SIZE[1], SIZE[0], 3), number, np.uint8)
    scene = Scene(*SIZE, obstacles=tuple(Obstacle("car", 1.0, one.box) for one in things))
    return Rendered(image, scene, {}, ("clear",) * len(things), tuple(things), np.zeros(image.shape[:2], np.uint8))


DRIVE = [rendered(n, [thing(1, 20.0 + 4 * n)] + ([thing(2, 200.0)] if n >= 3 else [])) for n in range(8)]


class Seeing:
    """A perceiver that says the truth; what comes anew it only sees when it is asked in full."""

    def __init__(self):
        self.refinements = 2

    def look_at(self, looks):
        (look,) = looks
        truth, before = DRIVE[int(look.image[0, 0, 0])].scene, look.before
        boxed = before is not None and "obstacles" in before.lists
        kept = truth.obstacles[: len(before.scene.obstacles)] if boxed else truth.obstacles
        named = (
            [replace(new, id=old.id) for new, old in zip(kept, before.scene.obstacles, strict=False)] if boxed else kept
        )
        scene = replace(truth, obstacles=tuple(named), tracked=before is not None, seconds={"total": 0.1})
        return [SimpleNamespace(scene=scene)]


@pytest.fixture
def block(monkeypatch):
    monkeypatch.setattr(tracking, "drive", lambda *given, **more: iter(DRIVE))
    return tracking.drives(Seeing(), 1)[0]


def test_one_who_sees_everything_finds_newcomers_after_as_many_frames_as_its_way_waits(block):
    assert list(block.columns) == list(WAYS)
    assert all(cells["obstacles at IoU 0.5: F1"].value == 1 for way, cells in block.columns.items() if "lines" in way)
    assert block.columns["N=5"]["obstacles at IoU 0.5: F1"].value < 1
    waited = {way: cells[WAITED].value for way, cells in block.columns.items()}
    assert waited == {way: 2.0 if way in ("N=5", "N=5, half cells first") else 0.0 for way in WAYS}
    assert all(cells[FOUND].value == 1 and cells[SAME_ID].value == 1 for cells in block.columns.values())
    assert block.columns[FULL][CARRIED].value == 0 and block.columns["N=5"][CARRIED].value == 6 / 8
    assert "frames until a newcomer is found, mean, frames" in block.text() and "0.100" in block.text()


def test_a_newcomer_is_what_comes_after_the_first_frame_and_is_never_small():
    views = [[thing(1, 0)], [thing(1, 0), thing(2, 50)], [thing(2, 50), thing(3, 90, height=4.0)], [thing(4, 120)]]
    assert newcomer_parts(views, {1: 0, 2: 2, 3: 2}) == {FOUND: (1.0, 2.0), WAITED: (1.0, 1.0)}
    assert newcomer_parts(views[:1], {1: 0}) == {FOUND: (0.0, 0.0), WAITED: (0.0, 0.0)}


def test_a_missing_clip_is_named(tmp_path):
    with pytest.raises(DataError, match="no clip at"):
        tracking.clip(Seeing(), tmp_path, 3)
