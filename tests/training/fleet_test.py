"""A fleet's labels as training frames: in the size and words of the nano, in the feed, and never a test image."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

import cv2
import numpy as np
import pytest

from getok_core.errors import DataError
from getok_core.lattice import Lattice
from getok_core.queries import TASKS, standard_vocabulary
from training import fleet as fleets
from training.feed import Feed
from training.fleet import Fleet
from training.questions import attribute_questions
from training.samples import make_sample
from training.sft_options import arguments, config_of, feed_of
from training.targets import scene_targets

LINE = {
    "frame": "a.png", "image": {"width": 640, "height": 480}, "known": ["lanes", "signs", "obstacles"],
    "lanes": [{"label": "", "points": [[320, 470], [320, 240]]}],
    "signs": [{"label": "", "colour": "", "visible_state": "", "box": [64, 48, 128, 96]}],
    "questions": [{"task": "road surface", "answer": "wet"}],
}  # fmt: skip


def labels(folder: Path, *lines: dict) -> Path:
    for name, value in (("a", 50), ("b", 90)):
        cv2.imwrite(str(folder / f"{name}.jpg"), np.full((240, 320, 3), value, np.uint8))
    file = folder / "labels.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return file


def test_a_frame_has_the_size_and_words_that_the_nano_is_asked_in(tmp_path: Path) -> None:
    found = Fleet(labels(tmp_path, LINE, {**LINE, "frame": "gone.png"}), tmp_path)
    assert len(found) == 1
    frame = found.frame(0, (512, 256))
    assert frame.size == (512, 256) == (frame.scene.width, frame.scene.height)
    assert abs(int(frame.image.mean()) - 50) <= 1 and frame.known == {"lanes", "signs", "obstacles"}
    assert frame.scene.lanes[0].points == pytest.approx(np.array([[256, 470 * 256 / 480], [256, 128]]))
    assert frame.scene.signs[0].box == pytest.approx([51.2, 25.6, 102.4, 51.2])
    assert frame.attributes == {"surface": "wet"}
    for task, targets in scene_targets(frame, Lattice()).items():
        assert all(target.label in TASKS[task].form.labels for target in targets)


def test_a_colour_that_is_not_labelled_is_not_asked_for(tmp_path: Path) -> None:
    frame = Fleet(labels(tmp_path, LINE), tmp_path).frame(0, (512, 256))
    asked = [one for seed in range(30) for one in attribute_questions(frame, np.random.default_rng(seed))]
    assert {(query.name, answer) for query, answer in asked} == {("road surface", "wet")}


def test_a_share_of_the_feed_comes_from_the_fleet(tmp_path: Path) -> None:
    file = labels(tmp_path, LINE, {**LINE, "frame": "b.png"})
    shown = {50: 0, 90: 0, None: 0}
    feed = Feed((512, 256), photos=False, fleet=Fleet(file, tmp_path), fleet_share=0.8)
    for number in range(0, 24, 2):
        frame, mirrored = feed.pair(number)
        value = int(frame.image[0, 0, 0]) if np.ptp(frame.image) == 0 else None
        shown[value] += 1
        assert mirrored.size == frame.size
        sample = make_sample(frame, Lattice(), standard_vocabulary(), np.random.default_rng(0))
        assert (sample.dense_known == [1, 0, 1, 1, 0]).all() or value is None
    assert min(shown.values()) > 0 and shown[None] < 8


def test_a_test_image_is_refused_by_its_digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = labels(tmp_path, LINE, {**LINE, "frame": "b.png"})
    digest = sha256((tmp_path / "a.jpg").read_bytes()).hexdigest()
    monkeypatch.setattr(fleets, "test_only", lambda: frozenset({digest}))
    assert [path.name for path, _ in Fleet(file, tmp_path).frames] == ["b.jpg"]


def test_labels_of_other_frames_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none of the 1 frames that .* can be trained on"):
        Fleet(labels(tmp_path, {**LINE, "frame": "gone.png"}), tmp_path)


def test_an_image_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    found = Fleet(labels(tmp_path, LINE), tmp_path)
    (tmp_path / "a.jpg").write_bytes(b"none")
    with pytest.raises(DataError, match="a frame of the fleet: image"):
        found.frame(0, (64, 32))


def test_training_takes_a_fleet_by_its_labels(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = labels(tmp_path, LINE)
    file.write_text(file.read_text() + "{\n")
    args = arguments().parse_args(["--fleet", str(file), "--fleet-share", "1", "--no-photos", "--tiny"])
    feed = feed_of(args, config_of(args))
    assert int(feed.pair(0)[0].image[0, 0, 0]) == 50
    assert "labels.jsonl has 1 faults, the first: " in capsys.readouterr().err
