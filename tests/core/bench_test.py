"""The bench: the forced scene is legal and is what is said, floors add up, tables and plots hold what was measured."""

import json
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import torch

from getok_core.automaton import Automaton
from getok_core.bench.field_networks import FIELD, count
from getok_core.bench.floors import Ceilings, Schedule, floors_of
from getok_core.bench.forced_engine import ForcedEngine
from getok_core.bench.forced_scene import ForcedScene, Script, text_tokens
from getok_core.bench.memory import cards, needs
from getok_core.bench.scripted import Large
from getok_core.bench.small import camera_image
from getok_core.bench.table import Report, Row, failed, timed
from getok_core.engines import load_engine
from getok_core.engines.anchored_engine import AnchoredEngine
from getok_core.perceiver import Perceiver
from getok_core.queries import STANDING, standard_vocabulary
from getok_ros.bench import chart
from getok_ros.cli import main

SCENE = ForcedScene(lanes=3, points=4, polygon=5, boxes=2)


@pytest.fixture(scope="module")
def large():
    torch.set_num_threads(1)
    return Large("tiny", "cpu", SCENE, torch.float32)


@pytest.mark.parametrize("scene", [ForcedScene(), SCENE, ForcedScene(8, 16, 24, 16), ForcedScene(lanes=1, boxes=1)])
def test_the_forced_scene_is_legal_token_by_token(scene):
    vocabulary = standard_vocabulary()
    script = Script(scene, vocabulary, (512, 256))
    for request, query in zip(script.requests, STANDING, strict=True):
        automaton = Automaton(request.form, vocabulary, 400)
        for token in script.said(request):
            automaton.advance(token)
        assert automaton.done, query.name
    assert text_tokens(scene, (1280, 720)) > 3 * (script.tokens - 6)


def test_every_mode_draws_the_forced_scene(large):
    wanted = [large.script.said(request) for request in large.script.requests]
    anchored = AnchoredEngine(large.engine)
    for engine in (large.engine, anchored):
        assert [reply.ids.tolist() for reply in large.replies(engine)] == wanted
    steps = {}
    for name, engine in (("list", large.engine), ("anchors", anchored)):
        before = large.decoder.all_steps
        large.replies(engine)
        steps[name] = large.decoder.all_steps - before
    assert steps["anchors"] < steps["list"] < max(map(len, wanted))
    scene = Perceiver(anchored, refinements=0).perceive(large.frame)
    assert (len(scene.lanes), len(scene.drivable_areas), len(scene.obstacles)) == (3, 1, 2)
    assert [len(lane.points) for lane in scene.lanes] == [4, 4, 4]


def test_drafts_are_those_of_the_scene(large):
    drafts = large.drafts(large.replies(large.engine))
    assert [draft.slots for draft in drafts] == [3 * 4, 5, 2 * 2]


def test_floors_are_bytes_or_operations_whichever_take_longer(large):
    slow_memory = floors_of(large.network, Ceilings(1e6, 1e18))
    weights = sum(w.nbytes for layer in large.network.language.layers for w in layer)
    assert slow_memory.step > 1000 * (weights + large.network.language.head.nbytes) / 1e6
    assert slow_memory.prefill == pytest.approx(1000 * weights / 2 / 1e6), "of two layers the last makes nothing more"
    slow_arithmetic = floors_of(large.network, Ceilings(1e18, 1e9))
    assert slow_arithmetic.reading(200) == pytest.approx(1000 * 2 * weights / 4 * 200 / 1e9)
    assert slow_arithmetic.vision > slow_memory.vision * 1e-9
    scene = Schedule(steps=20, passes=2, refined=200, rounds=1).scene(slow_memory)
    assert scene == pytest.approx(slow_memory.vision + slow_memory.prefill + 23 * slow_memory.step)


def test_memory_is_counted_and_compared_with_cards(large):
    wide, small = needs(large.network, eight=False), needs(large.network, eight=True)
    stem = large.network.vision.stem.numel()  # of a still image, half of the library's
    assert wide.weights == 2 * (sum(one.numel() for one in large.model.parameters()) - stem)
    assert small.weights < wide.weights and small.answers == wide.answers
    assert "fits 12 GB, 24 GB, 80 GB" in cards(large.network)["memory, 16 bits"]


def test_the_table_compares_and_keeps_what_failed():
    report = Report(
        "title", {"cpu": "x"}, [Row("plain", 100.0), Row("ours", 4.0, 2.0), Row("broken", None, note="why")]
    )
    report.compare("plain", "ours", "broken")
    assert [row.times for row in report.rows] == [None, 25.0, None]
    text = report.text()
    assert "25.0" in text and "why" in text
    assert json.loads(json.dumps(report.to_json()))["rows"][1]["floor_ms"] == 2.0


def test_a_run_that_is_cut_off_leaves_what_it_knew(tmp_path):
    report = Report("title", {"cpu": "x"}, path=tmp_path / "run.json")
    report.add(Row("first", 1.0))
    kept = json.loads((tmp_path / "run.json").read_text())
    assert [row["name"] for row in kept["rows"]] == ["first"] and "path" not in kept
    report.add(failed("second", RuntimeError("two\nlines")))
    assert json.loads((tmp_path / "run.json").read_text())["rows"][1]["note"] == "failed: RuntimeError: two lines"
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]


def test_the_fast_engine_agrees_with_the_plain_loop(large):
    assert large.agreement(5) == "5 of 5 answers of 5 tokens equal"


def test_times_are_medians_of_milliseconds():
    naps = iter([0.0, 0.03, 0.0])

    def work() -> None:
        end = torch.tensor(next(naps)).item()
        import time

        time.sleep(end)

    assert timed(work, 3) < 20


def test_growth_is_drawn_to_scale():
    svg = chart({"lanes": [(1.0, 10.0), (4.0, 20.0)], "rounds": [(0.0, 5.0), (3.0, 8.0)]}, "a < b")
    root = ElementTree.fromstring(svg)
    circles = [circle for circle in root.iter() if circle.tag.endswith("circle")]
    assert len(circles) == 4
    heights = [float(circle.get("cy")) for circle in circles]
    assert heights[1] < heights[0] and heights[3] < heights[2]


def test_the_nano_draws_what_it_is_forced_to_and_no_vertex_goes():
    engine = load_engine(Path(__file__).parents[2] / "models" / "nano")
    scene = ForcedScene(lanes=3, points=5, polygon=7, boxes=2)
    seen = Perceiver(ForcedEngine(engine, scene), refinements=2).perceive(camera_image())
    assert [len(lane.points) for lane in seen.lanes] == [5, 5, 5]
    assert [len(area.points) for area in seen.drivable_areas] == [7]
    assert (len(seen.obstacles), len(seen.signs), len(seen.lights), seen.faults) == (2, 0, 0, ())


@pytest.mark.parametrize("field", FIELD, ids=lambda field: field.name)
def test_a_network_of_the_field_has_its_published_size_and_paints_its_input(field):
    network, (width, height) = field.make().eval(), field.size
    millions, billions = count(network, field.size)
    assert millions == pytest.approx(field.millions, rel=0.01)
    assert billions == pytest.approx(field.billions, rel=0.05)
    with torch.no_grad():
        said = network(torch.rand(1, 3, height, width))
    assert [tuple(mask.shape) for mask in said[:2]] == [(1, 2, height, width)] * 2
    assert all(np.isfinite(one.numpy()).all() for one in said)
    strides = [height // boxes.shape[2] for boxes in said[2:]]
    assert strides == ([8, 16, 32] if field.name == "YOLOP" else [])


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
@pytest.mark.parametrize("shape", ["nano", "7b"])
def test_a_gpu_that_is_not_there_is_one_line(shape, capsys):
    assert main(["bench", "--device", "cuda", "--shape", shape]) == 2
    assert "'cuda' is not offered by this" in capsys.readouterr().err
