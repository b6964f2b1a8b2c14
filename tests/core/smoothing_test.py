"""Smoothed lines: no vertex leaves its last cell, zigzag goes, straight lines and ends of reach stay."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from getok_core.errors import ModelError
from getok_core.geometry import resample
from getok_core.lattice import Lattice
from getok_core.manifest import read_manifest
from getok_core.metrics.lanes import distances
from getok_core.perceiver import Perceiver
from getok_core.smoothing import WEIGHT, smoothed
from tests.core.perceiver_test import IMAGE, manifest, recorded
from tests.core.strategies import fractions_inside, lattices

SIZE = (960, 540)


def roughness(xy) -> float:
    return float((np.diff(xy, 2, axis=0) ** 2).sum())


@given(fractions_inside, lattices, st.integers(0, 3), st.floats(0, 50))
def test_no_vertex_leaves_what_its_code_stands_for_and_no_line_gets_rougher(fractions, lattice, rounds, weight) -> None:
    code = lattice.encode(fractions * SIZE, SIZE, rounds)
    line, reach = lattice.decode(code.ij, SIZE, code.offsets), lattice.error_px(SIZE, rounds)
    out = smoothed(line, reach, weight)
    assert out.shape == line.shape and (np.abs(out - line) <= np.asarray(reach) * (1 + 1e-9)).all()
    if weight == 0 or len(line) < 3:
        assert out is line


@given(st.floats(-300, 300), st.floats(0, 200), st.integers(3, 16))
def test_a_straight_line_stays(across, at, vertices) -> None:
    line = np.linspace([at, 500.0], [at + across, 100.0], vertices)
    assert np.abs(smoothed(line, (15.0, 8.0)) - line).max() < 1e-6


@pytest.mark.parametrize("rounds", [0, 1, 2])
def test_a_line_read_back_from_cells_is_smoother_and_nearer_to_the_truth(rounds) -> None:
    """Gently bent lines, as roads have them: on average the codec's error falls, and zigzag falls much more."""
    lattice, rng, rough, away = Lattice(32), np.random.default_rng(rounds), [], []
    for _ in range(40):
        y = np.linspace(530, 280, 40)
        bend = rng.uniform(-120, 120) * ((530 - y) / 250) ** 2
        truth = np.stack([rng.uniform(200, 700) + rng.uniform(-1, 1) * (530 - y) + bend, y], axis=1)
        code = lattice.encode(resample(truth, 12), SIZE, rounds)
        line = lattice.decode(code.ij, SIZE, code.offsets)
        both = line, smoothed(line, lattice.error_px(SIZE, rounds))
        rough.append([roughness(one) for one in both])
        away.append([distances(resample(truth, 201), one).mean() for one in both])
    before, after = np.mean(rough, axis=0)
    assert after < 0.5 * before
    before, after = np.mean(away, axis=0)
    assert after < before


def test_the_manifest_decides_and_other_shapes_keep_their_vertices() -> None:
    plain, engine = Perceiver(recorded()).perceive(IMAGE), recorded()
    engine.manifest = replace(engine.manifest, smoothing=WEIGHT)
    smooth = Perceiver(engine).perceive(IMAGE)
    moved = [np.abs(a.points - b.points).max(0) for a, b in zip(plain.lanes, smooth.lanes, strict=True)]
    assert all(0 < x <= 15.01 and 0 < y <= 8.45 for x, y in moved), "at most half a cell of 960 x 540"
    assert [area.points.tolist() for area in smooth.drivable_areas] == [a.points.tolist() for a in plain.drivable_areas]
    assert [one.box.tolist() for one in smooth.obstacles] == [one.box.tolist() for one in plain.obstacles]


@pytest.mark.parametrize("wrong", [-1.0, 1e9, "much", None, True])
def test_a_manifest_with_another_smoothing_is_refused(tmp_path, wrong) -> None:
    manifest(smoothing=wrong).write(tmp_path)
    with pytest.raises(ModelError, match=r"smoothing is .*: 0 to 100.0 are taken"):
        read_manifest(tmp_path)


def test_a_manifest_without_the_field_is_read(tmp_path) -> None:
    manifest().write(tmp_path)
    path = tmp_path / "manifest.json"
    path.write_text(path.read_text().replace(',\n "smoothing": 0.0', ""))
    assert read_manifest(tmp_path).smoothing == 0.0 and "smoothing" not in path.read_text()
