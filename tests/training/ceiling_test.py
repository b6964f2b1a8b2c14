"""What the language can say: codecs return points within their bounds, and a table says what that costs and gives."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from getok_core.engines.noise_engine import NoiseEngine
from getok_core.metrics.tally import SECONDS
from getok_core.scene import DrivableArea, Lane, Obstacle, Scene
from tests.core.strategies import fractions_inside
from training.evaluate import main
from training.suites import ceiling, refinement
from training.suites.codecs import CODECS, Bins, Grid, Text
from training.targets import Frame

SIZE = (960, 540)
BY_NAME = {codec.name: codec for codec in CODECS}


@given(st.sampled_from(CODECS), fractions_inside)
def test_a_codec_returns_what_lies_nearest_of_all_it_can_say(codec, fractions):
    xy = fractions * SIZE
    back = codec.read_back(xy, SIZE, corners=True)
    for axis in (0, 1):
        said = codec.places() * SIZE[axis]
        away = np.abs(said[:, None] - xy[:, axis])
        np.testing.assert_allclose(np.abs(back[:, axis] - xy[:, axis]), away.min(axis=0), atol=1e-9)


def test_what_vertices_cost_by_hand():
    xy = np.array([[12.0, 340.0], [12.4, 340.4], [839.0, 7.0]])
    assert Text().tokens(xy, (840, 840)) == len("(12,340)(12,340)(839,7)")
    assert Bins().tokens(xy, (840, 840)) == 6
    back = Grid(32, 2).read_back(xy, (840, 840))
    assert len(back) == 2, "in one cell: a line says it once"
    assert len(Grid(32, 2).read_back(xy, (840, 840), corners=True)) == 3
    assert Grid(32, 2).tokens(back, (840, 840)) == 2


def scene() -> Scene:
    """A straight lane, half the image to drive on, a box of 2 x 2 cells of 32, and one of a tenth of a cell."""
    return Scene(
        *SIZE,
        lanes=(Lane("curb", 1.0, np.array([[200.0, 520], [440, 300]])),),
        drivable_areas=(DrivableArea("drivable", 1.0, np.array([[0.0, 270], [960, 270], [960, 540], [0, 540]])),),
        obstacles=(
            Obstacle("car", 1.0, np.array([600.0, 270, 660, 303.75])),
            Obstacle("cone", 1.0, np.array([100.0, 100, 103, 103])),
        ),
    )


def frame() -> Frame:
    ids = np.zeros((540, 960), np.uint8)
    ids[270:304, 600:660], ids[100:103, 100:103] = 5, 6
    things = tuple(SimpleNamespace(ident=ident) for ident in (5, 6))
    return Frame(np.zeros((540, 960, 3), np.uint8), scene(), frozenset(), things=things, ids=ids)


def test_the_parts_of_one_frame_by_hand():
    parts = ceiling.frame_parts(frame(), BY_NAME["32 x 32, R = 1"])
    assert parts["lanes of 8 F1@50"] == (2, 2) and parts["lanes of 12 TuSimple"] == pytest.approx((1, 1), abs=0.05)
    assert parts["boxes IoU, medium"] == pytest.approx((1, 1)), "its corners are corners of cells"
    small, count = parts["boxes IoU, small"]
    assert count == 1 and 0 < small < 0.2
    assert parts["masks"] == (1, 2), "no half cell lies in the cone"
    both, either = parts["areas IoU"]
    assert both == either == 960 * 270
    assert parts[ceiling.READS] == (12 + 4 + 4, 1)
    assert parts[ceiling.TOKENS] == (12 + 4 + 4 + 4 * (1 + 3) + 5, 1), "label, tags and line end of four"
    bins = ceiling.frame_parts(frame(), Bins())
    assert bins["masks"] == (2, 2) and bins[ceiling.TOKENS][0] - 2 * 20 == 4 * 4 + 5 and bins[ceiling.READS] == (0, 1)


def test_more_rounds_and_finer_cells_say_more():
    block = ceiling.measure([(0, frame())])
    assert block.details == {"images": 1}
    small = {name: cells["boxes IoU, small"].value for name, cells in block.columns.items()}
    assert small["32 x 32, R = 0"] < small["32 x 32, R = 2"] < small["32 x 32, R = 3"]
    assert small["16 x 16, R = 3"] == pytest.approx(small["32 x 32, R = 2"]), "the same places"
    table = ceiling.markdown(block).splitlines()
    assert len(table) == 2 + len(CODECS) and len({line.count("|") for line in table}) == 1
    assert table[2].startswith("| 16 x 16, R = 0 | ")


def test_the_command_needs_no_model(tmp_path, capsys):
    assert main(["--ceiling", "--scenes", "1", "--json", str(tmp_path / "ceiling.json")]) == 0
    assert "| 1000 bins | " in capsys.readouterr().out
    columns = json.loads((tmp_path / "ceiling.json").read_text())["columns"]
    assert set(columns) == set(BY_NAME)
    with pytest.raises(SystemExit):
        main(["--scenes", "1"])
    assert "--ceiling" in capsys.readouterr().err


def test_both_ways_to_refine_stand_side_by_side():
    (block,) = refinement.measure(NoiseEngine(tokens=40), (0, 1), [(0, frame())])
    assert list(block.columns) == ["one pass, R=1", "one by one, R=1"]
    assert all(cells[SECONDS].value > 0 and "lanes within 1 %: F1" in cells for cells in block.columns.values())
