"""Rays agree with OpenCV's calibration; metres on the ground come back to their pixels; the sky has no place there."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from getok_core.errors import CameraError
from getok_core.ground import Ground, Pose
from getok_core.lens import Lens

SIZE = (1280, 720)
K = (900.0, 0.0, 630.0, 0.0, 910.0, 350.0, 0.0, 0.0, 1.0)
LEVEL = Pose.mounted((1.5, 0.0, 1.4), (0.0, 0.0, 0.0))

_bend = (st.floats(-0.3, 0.1), st.floats(-0.05, 0.1), *[st.floats(-0.003, 0.003)] * 2, st.floats(-0.02, 0))
plumb_bob, rational = st.tuples(*_bend), st.tuples(*_bend, *[st.floats(-0.01, 0.01)] * 3)
lenses = st.one_of(
    plumb_bob.map(lambda d: Lens.calibrated(K, "plumb_bob", d, (0, 0, *SIZE))),
    rational.map(lambda d: Lens.calibrated(K, "rational_polynomial", d, (0, 0, *SIZE))),
    st.just(Lens.calibrated(K, "plumb_bob", (0.0,) * 5, (0, 0, *SIZE))),
)
poses = st.builds(
    Pose.mounted,
    st.tuples(st.floats(-2, 3), st.floats(-1, 1), st.floats(0.5, 3)),
    st.tuples(st.floats(-0.1, 0.1), st.floats(-0.1, 0.3), st.floats(-3, 3)),
)
pixels = st.lists(st.tuples(st.floats(0, SIZE[0]), st.floats(0, SIZE[1])), max_size=20).map(
    lambda some: np.array([(640.0, 360.0), *some])
)


def project(lens: Lens, rays: np.ndarray) -> np.ndarray:
    """OpenCV's own projection, moved from its pixel centres at 0 to ours at 0.5."""
    xyz = np.column_stack([rays, np.ones(len(rays))])
    d = np.array(lens.distortion or (0.0,) * 5)
    matrix = np.array([[lens.focal[0], 0, lens.centre[0]], [0, lens.focal[1], lens.centre[1]], [0, 0, 1]])
    return cv2.projectPoints(xyz, np.zeros(3), np.zeros(3), matrix, d)[0][:, 0] + 0.5


@given(lens=lenses, xy=pixels)
def test_rays_are_what_opencv_projects_to_the_same_pixel(lens, xy):
    rays = lens.rays(xy, SIZE)
    found = np.isfinite(rays).all(axis=1)
    near = np.hypot(*(xy - np.array(SIZE) / 2).T) < 300
    assert found[near].all(), "the middle of the image is always covered"
    assert np.allclose(project(lens, rays[found]), xy[found], atol=1e-3)
    assert np.allclose(lens.pixels(rays[found], SIZE), xy[found], atol=1e-3)


@given(d=rational, model=st.sampled_from(["plumb_bob", "rational_polynomial"]), zeros=st.integers(0, 9))
def test_coefficients_that_drivers_fill_up_with_zeros_mean_nothing(d, model, zeros):
    d = d[:5] if model == "plumb_bob" else d
    filled, bare = (Lens.calibrated(K, model, given, (0, 0, *SIZE)) for given in ((*d, *(0.0,) * zeros), d))
    assert filled.distortion == bare.distortion


def test_rational_polynomials_of_five_coefficients_are_plumb_bob():
    d = (-0.2, 0.05, 0.001, -0.001, -0.01)
    xy = np.array([[100.0, 100.0], [900.0, 600.0]])
    rays = [
        Lens.calibrated(K, model, d, (0, 0, *SIZE)).rays(xy, SIZE) for model in ("plumb_bob", "rational_polynomial")
    ]
    assert np.array_equal(*rays)


@given(lens=lenses, xy=pixels)
def test_rays_are_opencvs_undistorted_points_where_its_iteration_converges(lens, xy):
    xy = xy[np.hypot(*(xy - np.array(SIZE) / 2).T) < 250]
    d = np.array(lens.distortion or (0.0,) * 5)
    theirs = cv2.undistortPoints(xy[:, None] - 0.5, np.array(K).reshape(3, 3), d)
    assert np.allclose(lens.rays(xy, SIZE), theirs[:, 0], atol=1e-4)


@given(lens=lenses, xy=pixels, scale=st.floats(0.2, 2), shift=st.tuples(st.integers(0, 99), st.integers(0, 99)))
def test_a_binned_image_of_a_region_has_the_rays_of_its_sensor(lens, xy, scale, shift):
    part = Lens(lens.focal, lens.centre, (*shift, 640, 480), lens.distortion)
    whole = lens.rays(xy / (SIZE[0] / 640, SIZE[1] / 480) + shift, SIZE)
    small = xy / (SIZE[0] / 640, SIZE[1] / 480) * scale
    assert np.allclose(part.rays(small, (640 * scale, 480 * scale)), whole, equal_nan=True, atol=1e-9)


def test_a_folded_lens_has_no_ray_where_it_folds():
    lens = Lens.calibrated(K, "plumb_bob", (-0.5, 0.0, 0.0, 0.0, 0.0), (0, 0, *SIZE))
    rays = lens.rays(np.array([[631.0, 351.0], [1279.0, 719.0]]), SIZE)
    assert np.isfinite(rays[0]).all() and np.isnan(rays[1]).all()


@given(lens=lenses, pose=poses, forward=st.floats(1, 60), left=st.floats(-8, 8))
def test_a_point_on_the_ground_comes_back_from_its_pixel(lens, pose, forward, left):
    yaw = np.arctan2(pose.rotation[1, 2], pose.rotation[0, 2])
    turn = np.array([[np.cos(yaw), -np.sin(yaw)], [np.sin(yaw), np.cos(yaw)]])
    there = turn @ [forward, left] + pose.position[:2]
    ground = Ground(lens, pose)
    xy = ground.pixels(there[None], SIZE)
    assume(np.isfinite(xy).all() and ((xy >= 0) & (xy <= SIZE)).all())
    beside = ground.pixels(there[None] + 0.1 * turn[0], SIZE)
    assume(np.isfinite(beside).all())
    (piece,) = ground.line(np.concatenate([xy, beside]), SIZE)
    assert np.allclose(piece[0], there, atol=1e-3 * forward**2 + 1e-6)


@given(lens=lenses, pose=poses, xy=pixels)
def test_nothing_on_the_ground_is_infinite_or_too_far(lens, pose, xy):
    ground = Ground(lens, pose, far_m=50.0)
    for piece in (*ground.line(xy, SIZE), ground.area(xy, SIZE)):
        assert np.isfinite(piece).all()
        away = (np.column_stack([piece, np.zeros(len(piece))]) - pose.position) @ pose.rotation[:, 2]
        assert (away > 0).all() and (away <= 50 + 1e-6).all()


def test_a_level_camera_sees_the_ground_by_similar_triangles():
    ground = Ground(Lens((1000, 1000), (639.5, 359.5), (0, 0, *SIZE)), LEVEL)
    (piece,) = ground.line(np.array([[640.0, 500.0], [740.0, 500.0]]), SIZE)  # 140 px below the horizon: 10 m ahead
    assert np.allclose(piece, [[11.5, 0.0], [11.5, -1.0]])


def test_a_line_is_cut_at_the_limit_and_a_sky_has_no_ground():
    ground = Ground(Lens((1000, 1000), (639.5, 359.5), (0, 0, *SIZE)), LEVEL, far_m=28.0)
    (piece,) = ground.line(np.array([[640.0, 500.0], [640.0, 200.0]]), SIZE)
    assert np.allclose(piece, [[11.5, 0.0], [29.5, 0.0]])
    over = np.array([[300.0, 500.0], [640.0, 100.0], [900.0, 500.0]])
    assert len(ground.line(over, SIZE)) == 2
    assert len(ground.area(over, SIZE)) == 4
    assert ground.line(over - [0, 450], SIZE) == [] and ground.area(over - [0, 450], SIZE).shape == (0, 2)


@given(rpy=st.tuples(*[st.floats(-3, 3)] * 3))
def test_a_pose_of_angles_is_that_of_its_quaternion(rpy):
    cr, cp, cy = np.cos(np.array(rpy) / 2)
    sr, sp, sy = np.sin(np.array(rpy) / 2)
    x, y = sr * cp * cy - cr * sp * sy, cr * sp * cy + sr * cp * sy
    z, w = cr * cp * sy - sr * sp * cy, cr * cp * cy + sr * sp * sy
    optical = Pose.transformed((0, 0, 1), (-0.5, 0.5, -0.5, 0.5)).rotation
    one = Pose.mounted((0, 0, 1), rpy).rotation
    assert np.allclose(one, Pose.transformed((0, 0, 1), (x, y, z, w)).rotation @ optical, atol=1e-9)
    assert np.allclose(one @ one.T, np.eye(3), atol=1e-9)


@pytest.mark.parametrize(
    ("make", "fact"),
    [
        (lambda: Lens.calibrated(K, "equidistant", (0.1,) * 4, (0, 0, *SIZE)), "distortion model 'equidistant'"),
        (
            lambda: Lens.calibrated(K, "plumb_bob", (0.1,) * 7, (0, 0, *SIZE)),
            "plumb_bob has 7 coefficients: give 4 to 5",
        ),
        (lambda: Lens.calibrated(K, "plumb_bob", (0.1,) * 3, (0, 0, *SIZE)), "plumb_bob has 3 coefficients"),
        (lambda: Lens.calibrated(K, "rational_polynomial", (0.1,) * 14, (0, 0, *SIZE)), "has 14 coefficients"),
        (lambda: Lens.calibrated(K, "x" * 10**6, (0.1,) * 4, (0, 0, *SIZE)), "distortion model 'x{80}' is unknown"),
        (lambda: Lens.calibrated(K, "plumb_bob", (float("nan"),) * 5, (0, 0, *SIZE)), "calibrate it first"),
        (lambda: Lens.calibrated((0.0,) * 9, "", (), (0, 0, *SIZE)), "calibrate it first"),
        (lambda: Lens.calibrated((float("nan"),) * 9, "", (), (0, 0, *SIZE)), "calibrate it first"),
        (lambda: Pose.transformed((0, 0, 1), (0, 0, 0, 0)), "has no direction"),
        (lambda: Ground(Lens((1, 1), (0, 0), (0, 0, 1, 1)), Pose.mounted((0, 0, -1), (0, 0, 0))), "above the ground"),
        (lambda: Ground(Lens((1, 1), (0, 0), (0, 0, 1, 1)), Pose.mounted((np.nan, 0, 1), (0, 0, 0))), "give its pose"),
    ],
)
def test_a_camera_that_cannot_be_is_refused_in_one_line(make, fact):
    with pytest.raises(CameraError, match=fact):
        make()
