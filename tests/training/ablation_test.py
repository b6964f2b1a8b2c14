"""The ablations: every spelling says the same and is read back, every view maps places back, every arm runs."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("torch", reason="torch is missing: install the training extra")

import torch

from getok_core.grammar import parse
from getok_core.queries import STANDING, TASKS
from getok_core.vocabulary import CLOSE, END_ANSWER, OPEN
from training.ablation import __main__ as command
from training.ablation.answers import answers
from training.ablation.arms import ARMS, TABLES, chosen
from training.ablation.asked import Asked, Drawn, piece
from training.ablation.batches import collate, drawn
from training.ablation.network import network
from training.ablation.scenes import SHAPES, made, unseen_scene
from training.ablation.scores import LANES, OBSTACLES, REFERRED, UNPARSABLE, ask, best, look, parts_of, rows_of
from training.ablation.spelling import FINE, Bins, Grid, Text
from training.ablation.views import framed, framing, input_size, mark, pixels
from training.segments import IGNORE
from training.sft_options import TINY

SPELLINGS = [Grid(16), Grid(32), Grid(64), Text((512, 256)), Bins()]
PLACES = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=2, max_size=2)


@pytest.fixture(scope="module")
def scenes():
    return [unseen_scene(seed) for seed in range(1_000_000, 1_000_024)]


# -- spelling ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spelling", SPELLINGS, ids=repr)
@given(places=PLACES)
def test_vertices_are_read_back_within_one_step(spelling, places) -> None:
    corners = np.sort(np.asarray(places), axis=0)
    ids, goals = spelling.vertices(corners)
    assert len(ids) == len(goals) and spelling.coordinates[ids].all()
    read = spelling.read([*spelling.vocabulary.encode_text("car"), OPEN["box"], *ids, CLOSE["box"], END_ANSWER])
    parsed = parse(read.ids, FINE, TASKS["obstacles"].form)
    assert not parsed.faults and parsed.closed and parsed.instances[0].label == "car"
    said = read.places[list(parsed.instances[0].parts[0].at)]
    assert (np.abs(said - corners) <= np.asarray(spelling.step) + 1e-9).all()


@pytest.mark.parametrize(
    ("spelling", "inside"),
    [(Text((512, 256)), "(12,3"), (Text((512, 256)), "(600,3),(1,1)"), (Text((512, 256)), "(1,2)(3,4)"),
     (Text((512, 256)), "car"), (Bins(), "1"), (Grid(), "(1,2)")],
)  # fmt: skip
def test_what_is_no_vertex_is_a_fault(spelling, inside) -> None:
    ids = [spelling.vocabulary.size + 5] if inside == "1" else spelling.vocabulary.encode_text(inside)
    read = spelling.read([*spelling.vocabulary.encode_text("car"), OPEN["box"], *ids, CLOSE["box"], END_ANSWER])
    assert parse(read.ids, FINE, TASKS["obstacles"].form).faults


@pytest.mark.parametrize("spelling", SPELLINGS, ids=repr)
@given(ids=st.lists(st.integers(0, 2400), max_size=20))
def test_reading_never_raises(spelling, ids) -> None:
    read = spelling.read([token for token in ids if token < spelling.tokens])
    assert len(read.ids) == len(read.places)
    parse(read.ids, FINE, TASKS["lanes"].form)


def test_every_spelling_writes_the_same_vertices() -> None:
    line = Drawn("curb", "pl", np.array([[0.1, 0.9], [0.101, 0.899], [0.3, 0.5]]))
    asked = Asked("list", STANDING[0], None, "", (line,))
    counts = {}
    for spelling in (Grid(), Bins()):
        targets = piece(asked, spelling, "own", (512, 256)).segment.targets
        counts[type(spelling).__name__] = int(spelling.coordinates[targets[targets != IGNORE]].sum())
    assert counts == {"Grid": 2, "Bins": 4}


# -- views -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", SHAPES)
@pytest.mark.parametrize("view", ["resize", "pad", "crop", "dynamic"])
def test_a_view_shows_where_its_framing_says(view, size) -> None:
    shown, target = framing(view, size, (512, 256)), input_size(view, size, (512, 256))
    image = torch.zeros(1, 3, size[1], size[0])
    x, y = size[0] // 2 + 20, size[1] // 2 - 30
    image[..., y - 4 : y + 4, x - 4 : x + 4] = 255.0
    out = pixels(image, view, (512, 256))[0, 0]
    assert out.shape == (target[1], target[0])
    rows, columns = torch.nonzero(out > 200, as_tuple=True)
    at = np.array([columns.float().mean() + 0.5, rows.float().mean() + 0.5])
    expected = (np.array([x, y]) - (shown.left, shown.top)) / (shown.width, shown.height) * target
    assert np.abs(at - expected).max() < 1.0
    assert target[0] * target[1] <= 512 * 256 and target[0] % 32 == target[1] % 32 == 0
    if view in ("pad", "crop"):
        assert abs(shown.width / shown.height - 2) < 0.01


def test_a_crop_keeps_the_truth_that_is_left(scenes) -> None:
    frame = scenes[1].frame
    assert frame.size == (448, 336)
    shown = framing("crop", frame.size, (512, 256))
    cut = framed(frame, shown)
    assert cut.size == (448, 224) and len(cut.obstacle_states) == len(cut.scene.obstacles)
    for lane in cut.scene.lanes:
        assert (lane.points >= 0).all() and (lane.points <= cut.size).all()
    assert framed(frame, framing("resize", frame.size, (512, 256))) is frame


def test_a_marker_outlines_its_box() -> None:
    marked = mark(torch.zeros(2, 3, 40, 80), torch.tensor([[0.25, 0.25, 0.5, 0.5], [torch.nan] * 4]))
    assert marked[1].max() == 0 and marked[0, 0, 9, 30] == 255 and marked[0, 1].max() == 0
    assert marked[0, 0, 15, 30] == 0 and marked[0, 0, 0, 0] == 0


# -- arms --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ARMS)
def test_the_truth_as_an_arm_spells_it_is_scored_right(name, scenes) -> None:
    arm, sums = ARMS[name], {}
    for row in (row for scene, test in enumerate(scenes) for row in rows_of(scene, test, arm)):
        for part, (above, below) in parts_of(row, best(row, arm), arm).items():
            old = sums.get(part, (0.0, 0.0))
            sums[part] = old[0] + above, old[1] + below
    ratio = {part: above / below for part, (above, below) in sums.items()}
    assert ratio[UNPARSABLE] == 0 and ratio["questions about regions"] == 1
    assert ratio[LANES] >= 0.85
    least = {16: 0.3, 32: 0.6, 64: 0.85}[arm.spelling.n]
    exact = name in ("text", "bins", "grid-offsets")
    assert min(ratio[OBSTACLES], ratio[REFERRED]) >= (0.97 if exact else least), ratio


def test_all_arms_are_asked_the_same() -> None:
    one = made(40_000_003, [ARMS[name] for name in ("grid", "text", "region-marker")])
    groups = {tuple(p.group for p in pieces) for pieces, _ in one.written.values()}
    assert len(groups) == 1
    marked = one.written[ARMS["region-marker"].writing][0]
    assert all((p.marker is not None) == (p.group == "question") for p in marked)
    samples = [drawn(one.written[ARMS[name].writing][0], 1, np.random.default_rng(0)) for name in ("grid", "text")]
    assert [p.group for p in samples[0]] == [p.group for p in samples[1]]


def test_a_batch_asks_exactly_the_targets() -> None:
    pieces = made(40_000_000, [ARMS["grid"]]).written[ARMS["grid"].writing][0]
    batch = collate(SHAPES[0], np.array([0, 0]), [pieces[:3], pieces[:1]])
    wanted = np.concatenate([one.segment.targets[one.segment.targets != IGNORE] for one in pieces[:3]])
    assert batch.targets[0][batch.targets[0] != IGNORE].tolist() == wanted.tolist()
    first = pieces[0].segment
    place = batch.places[1, 0]
    assert batch.ids[1, place] == first.ids[first.targets != IGNORE][0]
    assert (batch.segment[1] >= 0).sum() == len(first.ids)


@torch.no_grad()
def test_answers_do_not_depend_on_company(scenes) -> None:
    arm = ARMS["grid"]
    model = network(arm, 0, **TINY).eval()
    rows = list(rows_of(0, scenes[0], arm))[:3]
    together = answers(model, look(model, arm, rows), [row.prompt for row in rows], 12)
    alone = [answers(model, look(model, arm, [row]), [row.prompt], 12)[0] for row in rows]
    assert together == alone and all(len(one) <= 12 for one in together)


def test_an_untrained_network_is_heard_after_refinement(scenes) -> None:
    arm = ARMS["grid-offsets"]
    model = network(arm, 0, **TINY).eval()
    rows = [row for row in rows_of(0, scenes[0], arm) if row.asked.group == "list"]
    heard = ask(model, look(model, arm, rows[:1]), rows, arm)
    assert len(heard) == 2 and all(part[0] >= 0.0 for one in heard for part in parts_of(rows[0], one, arm).values())


def test_drafts_are_asked_for_offsets_alone() -> None:
    arms = [ARMS["grid"], ARMS["grid-offsets"]]
    one = made(40_000_000, arms)
    plain, refined = (one.written[arm.writing][0] for arm in arms)
    assert [p.group for p in plain] == [p.group for p in refined][: len(plain)]
    drafts = [p.segment for p in refined[len(plain) :]]
    assert drafts and all(np.isnan(one.goals).all() for one in drafts)
    lanes = [one for one in drafts if one.ids[:3].tolist() == plain[0].segment.ids[:3].tolist()]
    assert len({one.ids.tobytes() for one in lanes}) == len(lanes) == 4, "several proposals of the same answer"
    samples = [drawn(pieces, 4, np.random.default_rng(5)) for pieces in (plain, refined)]
    same = [[p.segment.ids.tolist() for p in sample if p.group != "draft"] for sample in samples]
    assert same[0] == same[1]


def test_tables_hold_every_arm_and_names_are_checked() -> None:
    assert {name for table in TABLES for name in table.arms} == set(ARMS)
    assert [arm.name for arm in chosen("text,grid,text")] == ["text", "grid"]
    assert command.main(["--arms", "moon"]) == 2


def test_the_command_keeps_results_and_goes_on(tmp_path, capsys) -> None:
    few = ["--out", str(tmp_path), "--samples", "4", "--frames", "4", "--scenes", "1", "--batch", "2", "--workers", "0"]
    assert command.main([*few, "--arms", "grid"]) == 0
    first = json.loads((tmp_path / "results.json").read_text())
    assert command.main([*few, "--arms", "grid,dynamic"]) == 0
    both = json.loads((tmp_path / "results.json").read_text())
    assert both["arms"]["grid"] == first["arms"]["grid"] and set(both["arms"]) == {"grid", "dynamic"}
    table = (tmp_path / "tables.md").read_text()
    assert "bound to their cells" in table and "16 x 16" not in table
    capsys.readouterr()
    assert command.main([*few, "--samples", "16", "--arms", "grid"]) == 2
    assert "name another --out or give --fresh" in capsys.readouterr().err
