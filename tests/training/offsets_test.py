"""Offset data: drafts of masks and of the frame before come home, conversations answer every vertex once."""

from __future__ import annotations

import json

import numpy as np
import pytest

from getok_core.lattice import Lattice
from getok_core.metrics.boxes import box_ious
from getok_core.queries import STANDING, SceneQuery, standard_vocabulary
from getok_core.vocabulary import CLOSE, DELETE, OPEN
from training.offset_drafts import TRACKING, thing_draft, tracking_draft
from training.offsets import conversation, main, resized
from training.scenes import drive, render

VOCABULARY, LATTICE = standard_vocabulary(), Lattice()


@pytest.fixture(scope="module")
def frames():
    """Rendered frames with things on them, 256 x 256."""
    some = (resized(render(seed, (512, 256)), (256, 256)) for seed in range(3_000_000, 3_000_020))
    return [frame for frame in some if frame.things][:8]


@pytest.mark.parametrize("name", ["referred masks", "referred points", "referred boxes"])
def test_refined_by_its_targets_every_seed_lies_inside_and_every_box_fits(frames, name):
    rng, seen = np.random.default_rng(0), 0
    for frame in frames:
        asked = thing_draft(SceneQuery(name, "every car"), frame, range(len(frame.things)), LATTICE, VOCABULARY, rng, 3)
        assert asked is not None
        done = asked.refined(3)
        for part in done.draft.parts:
            seen += 1
            uv = done.draft.uv(part)
            if part.kind == "box":
                iou = box_ious([uv.reshape(4)], [done.goals[part.instance].reshape(4)])[0, 0]
                assert iou > 0.4, "half of what three rounds can say"
            else:
                x, y = np.floor(uv * 256 / LATTICE.n).astype(int).T
                assert done.masks[part.instance][y, x].all()
    assert seen > len(frames), "most things survive"


def test_a_frame_without_masks_is_refused(frames):
    photo = type(frames[0])(frames[0].image, frames[0].scene, frames[0].known, things=frames[0].things)
    with pytest.raises(ValueError, match="which pixels are whose"):
        thing_draft(
            SceneQuery("referred boxes", "every car"), photo, [0], LATTICE, VOCABULARY, np.random.default_rng(0)
        )


def test_what_was_seen_a_frame_ago_is_followed_or_deleted():
    kept = gone = 0
    for seed in range(3_000_000, 3_000_012):
        before, now = (resized(one, (256, 256)) for one in drive(seed, 2, (512, 256)))
        for query in STANDING:
            asked = tracking_draft(query, before, now, LATTICE, VOCABULARY)
            if asked is None:
                continue
            done = asked.refined(len(TRACKING))
            assert done.draft.steps == TRACKING and done.rounds_left == 0
            left = {part.instance: done.draft.uv(part) for part in done.draft.parts}
            for index, goal in enumerate(asked.goals):
                if np.isnan(goal).any():
                    gone += 1
                    assert index not in left, "no longer seen: deleted"
                elif index in left and asked.draft.parts[index].kind == "box":
                    kept += 1
                    assert (np.abs(left[index] - goal) <= 2.0 ** -TRACKING[-1]).all()
    assert kept > 10


def test_lines_and_outlines_are_followed_to_the_nearest_point(frames):
    frame = next(frame for frame in frames if frame.scene.lanes)
    asked = tracking_draft(STANDING[0], frame, frame, LATTICE, VOCABULARY)
    assert asked is not None and not np.isnan(np.concatenate(list(asked.goals))).any()
    done = asked.refined(len(TRACKING))
    for part in done.draft.parts:
        away = np.abs(done.draft.uv(part) - done.goals[part.instance][part.vertex])
        assert (away <= 2.0 ** -(TRACKING[-1] + 1) + 1e-9).all()


def test_a_line_that_has_gone_belongs_to_nothing(frames):
    frame = next(frame for frame in frames if frame.scene.lanes)
    empty = resized(render(3_000_000, (512, 256)), (256, 256))
    empty = type(frame)(empty.image, type(frame.scene)(256, 256), frame.known)
    asked = tracking_draft(STANDING[0], frame, empty, LATTICE, VOCABULARY)
    assert asked is not None and (asked.targets() == DELETE).all()
    assert tracking_draft(STANDING[0], empty, frame, LATTICE, VOCABULARY) is None


def test_a_conversation_answers_every_vertex_of_the_draft_once(frames):
    asked = thing_draft(
        SceneQuery("referred masks", "every car"), frames[0], [0], LATTICE, VOCABULARY, np.random.default_rng(0), 2
    )
    assert asked is not None
    draft, ids = asked.draft, asked.targets()
    said = draft.sequential_answer(ids, VOCABULARY)
    tags = {*OPEN.values(), *CLOSE.values()}
    assert [token for token in said[:-1] if token not in tags] == ids.tolist()
    record = conversation("referred masks", [*draft.sequential_prompt(VOCABULARY), *said], "o/1.jpg")
    user, assistant = record["messages"]
    assert user["content"].startswith("<image>Segment every car<answer>") and user["content"].count("<offset>") == 1
    assert assistant["content"].startswith("<offset><step_1><box>") and assistant["content"].endswith("</offset>")


def test_the_command_writes_records_and_the_pictures_they_name(tmp_path, capsys):
    out = tmp_path / "new" / "offsets.jsonl"
    assert main(["--out", str(out), "--scenes", "3", "--drives", "1"]) == 0
    records = [json.loads(line) for line in out.read_text().splitlines()]
    assert f"{len(records)} conversations" in capsys.readouterr().out
    assert {record["task"] for record in records} >= {"lanes", "drivable area"}
    assert all((out.parent / name).is_file() for record in records for name in record["images"])
    assert any("<step_2>" in message["content"] for record in records for message in record["messages"])
    assert main(["--out", str(out), "--scenes", "3", "--rounds", "1"]) == 0
    papers = [json.loads(line) for line in out.read_text().splitlines()]
    assert {record["task"] for record in papers} == {"referred masks"}
    assert all("<step_1>" in record["messages"][1]["content"] for record in papers)


def test_a_file_that_cannot_be_written_is_one_line(tmp_path, capsys):
    (tmp_path / "offsets").write_text("in the way")
    assert main(["--out", str(tmp_path / "offsets.jsonl"), "--scenes", "1"]) == 2
    assert capsys.readouterr().err.strip().startswith("getok: cannot write")
    with pytest.raises(SystemExit):
        main(["--out", str(tmp_path / "offsets")])
