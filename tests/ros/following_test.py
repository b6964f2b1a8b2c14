"""What the node starts each frame from: a camera's own last scene, while track_every says so. Needs no ROS."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from getok_core.carrying import LISTS
from getok_core.perceiver import Look, Seen
from getok_core.scene import Lane, Scene
from getok_ros.following import Following
from getok_ros.setting_checks import ParameterError, check
from getok_ros.settings import Settings

IMAGE = np.zeros((6, 8, 3), np.uint8)
SCENE = Scene(8, 6, (Lane("curb", 0.5, np.array([[1.0, 5.0], [3.0, 2.0]])),))
FIRST, SECOND, LATE = 10**9, 11 * 10**8, 3 * 10**9


def followed(following: Following, camera: str, stamp_ns: int, settings: Settings) -> tuple[Look, Scene]:
    """One frame of a camera on which the same lane is seen."""
    look = following.drafted(Look(IMAGE), camera, stamp_ns, settings)
    seen = Seen(replace(SCENE, tracked=look.before is not None), [], 1)
    return look, following.followed(seen, camera, stamp_ns, settings).scene


def test_without_track_every_nothing_is_carried_and_nothing_has_an_id():
    following = Following()
    for stamp_ns in (FIRST, SECOND):
        look, scene = followed(following, "", stamp_ns, Settings())
        assert look.before is None and scene.lanes[0].id == 0 and not scene.tracked


def test_each_camera_follows_its_own_scenes():
    following, settings = Following(), Settings(track_every=5, track_lists=["lanes", ""], track_first_step=1)
    look, scene = followed(following, "left", FIRST, settings)
    assert look.before is None and scene.lanes[0].id == 1
    assert followed(following, "right", SECOND, settings)[0].before is None
    look, scene = followed(following, "left", SECOND, settings)
    assert look.before is not None and (look.before.lists, look.before.first_step) == (("lanes",), 1)
    assert scene.tracked and scene.lanes[0].id == 1


def test_a_look_for_a_question_alone_starts_from_nothing():
    following, settings = Following(), Settings(track_every=5)
    followed(following, "", FIRST, settings)
    assert following.drafted(Look(IMAGE, standing=()), "", SECOND, settings).before is None


def test_a_late_frame_and_changed_parameters_begin_anew():
    following, settings = Following(), Settings(track_every=5)
    followed(following, "", FIRST, settings)
    assert followed(following, "", LATE, settings)[0].before is None
    assert followed(following, "", LATE + 1, replace(settings, track_every=4))[0].before is None
    followed(following, "", LATE + 2, Settings())
    assert followed(following, "", LATE + 3, replace(settings, track_every=4))[0].before is None


def test_lists_that_cannot_be_carried_are_refused():
    assert check("track_lists", list(LISTS)) == list(LISTS)
    with pytest.raises(ParameterError, match="track_lists names 'lights': give some of lanes, drivable area"):
        check("track_lists", ["lights"])
