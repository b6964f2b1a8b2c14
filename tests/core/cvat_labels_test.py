"""CVAT: what is written comes back; both kinds of XML are read, and what is wrong in them named by its line."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from getok_core.errors import DataError
from getok_core.geometry import Box, Point
from getok_core.labels import Labels, cvat, read_labels
from getok_core.metrics.areas import union
from getok_core.queries import LANE_LABELS, OBSTACLE_LABELS, STANDING_TASKS
from tests.core.truths import as_data, names, truths

IMAGES = """<?xml version="1.0" encoding="utf-8"?>
<annotations>
  <version>1.1</version>
  <meta><task><size>2</size><labels>
    <label><name>lane</name><type>polyline</type><attributes><attribute><name>paint</name></attribute></attributes></label>
    <label><name>car</name></label>
    <label><name>night</name><type>tag</type></label>
  </labels></task></meta>
  <image id="0" name="drive/a.jpg" width="100" height="50">
    <tag label="night" source="manual"></tag>
    <tag label="conditions" source="manual"><attribute name="weather">rain</attribute></tag>
    <tag label="road surface" source="manual"><attribute name="answer">wet</attribute></tag>
    <box label="car" source="manual" occluded="0" xtl="10.5" ytl="20" xbr="30" ybr="40" z_order="0"></box>
    <polygon label="car" points="50,5;60,5;55,15"></polygon>
    <polyline label="lane" points="40,10;20,50"><attribute name="paint">dashed white</attribute></polyline>
    <points label="sign colour" points="5,6"><attribute name="answer">red</attribute></points>
    <mask label="road" rle="1, 2, 1, 2" left="4" top="3" width="3" height="2"></mask>
  </image>
  <image id="1" name="drive/b.jpg" width="100" height="50">
    <box label="car" xtl="10" ytl="20" xbr="9" ybr="40"></box>
    <polyline label="lane" points="40,10"></polyline>
    <cuboid label="truck" xtl1="1"></cuboid>
    <polyline label="wire" points="40,10;20,30"></polyline>
    <points label="sign colour" points="5,6"></points>
    <mask label="road" rle="1, 2" left="4" top="3" width="3" height="2"></mask>
  </image>
  <image id="2" name="c.jpg"><box label="car" xtl="10" ytl="20" xbr="19" ybr="40"></box></image>
</annotations>
"""
VIDEO = """<annotations>
  <meta><task><size>6</size><mode>interpolation</mode>
    <labels><label><name>car</name></label><label><name>lane</name></label></labels>
    <original_size><width>100</width><height>50</height></original_size></task></meta>
  <track id="0" label="car">
    <box frame="0" outside="0" keyframe="1" xtl="10" ytl="10" xbr="20" ybr="20"></box>
    <box frame="2" outside="0" keyframe="1" xtl="14" ytl="10" xbr="24" ybr="30"></box>
    <box frame="3" outside="1" keyframe="1" xtl="14" ytl="10" xbr="24" ybr="30"></box>
    <box frame="x" outside="0" keyframe="1" xtl="14" ytl="10" xbr="24" ybr="30"></box>
  </track>
  <track id="1" label="lane">
    <polyline frame="4" outside="0" points="0,0;10,10"><attribute name="paint">curb</attribute></polyline>
    <polyline frame="5" outside="0" points="0,0;10,10;5,40"></polyline>
  </track>
</annotations>
"""


def of_text(folder: Path, text: str) -> Labels:
    (folder / "annotations.xml").write_text(text)
    return read_labels(folder)


@settings(max_examples=40)
@given(st.dictionaries(names, truths, min_size=1, max_size=3))
def test_prelabels_come_back_as_they_were_written(tmp_path_factory, held) -> None:
    path = tmp_path_factory.mktemp("cvat") / "annotations.xml"
    cvat.write(path, held)
    labels = read_labels(path)
    assert not labels.faults and list(labels.frames) == list(held)
    assert [as_data(truth) for truth in labels.frames.values()] == [as_data(truth) for truth in held.values()]


def test_a_cvat_task_has_a_label_for_all_that_is_written(tmp_path: Path) -> None:
    specs = {spec["name"]: spec for spec in cvat.label_specs()}
    assert {"lane", "drivable area", "sign", "light", *OBSTACLE_LABELS} <= set(specs)
    paint = specs["lane"]["attributes"][0]
    assert paint["values"] == ["unlabelled", *LANE_LABELS] and paint["default_value"] == "unlabelled"
    cvat.write(tmp_path / "a.xml", {})
    declared = [name.text for name in ElementTree.parse(tmp_path / "a.xml").iter("name")]
    assert declared == list(specs)


def test_images_are_read_with_their_questions_and_slices(tmp_path: Path) -> None:
    truth = of_text(tmp_path, IMAGES).of("a.jpg")
    assert truth
    scene = truth.scene
    assert (scene.width, scene.height) == (100, 50) and truth.known == {"lanes", "obstacles", "drivable area"}
    assert [(thing.label, thing.box.tolist()) for thing in scene.obstacles] == [
        ("car", [10.5, 20, 30, 40]), ("car", [50, 5, 60, 15]),
    ]  # fmt: skip
    assert [(lane.label, lane.points.tolist()) for lane in scene.lanes] == [("dashed white", [[20, 50], [40, 10]])]
    mask = np.zeros((50, 100), bool)
    mask[3, 5:7] = mask[4, 5:7] = True
    assert (union([area.points for area in scene.drivable_areas], (100, 50)) == mask).all()
    assert truth.slices == {"night": "yes", "weather": "rain"}
    assert [(query.name, query.region, answer) for query, answer in truth.questions] == [
        ("road surface", None, "wet"), ("sign colour", Point([[5, 6]]), "red"),
    ]  # fmt: skip


def test_what_is_malformed_is_named_by_its_line(tmp_path: Path) -> None:
    labels = of_text(tmp_path, IMAGES)
    assert list(labels.frames) == ["drive/a.jpg", "drive/b.jpg"]
    assert labels.frames["drive/b.jpg"].known == set() and not labels.frames["drive/b.jpg"].scene.obstacles
    told = [fault.partition("annotations.xml:")[2].partition(": ") for fault in labels.faults]
    lines = IMAGES.splitlines()
    assert [(lines[int(line) - 1].split()[0], what) for line, _, what in told] == [
        ("<image", "an image needs name, width and height: skipped with all in it"),
        ("<box", "a box is top-left then bottom-right with positive sides, got [[10.0, 20.0], [9.0, 40.0]]: skipped"),
        ("<polyline", "a pl needs at least 2 vertices, got 1: skipped"),
        ("<cuboid", "a cuboid is no shape of this house: draw a box, polyline, polygon or mask: skipped"),
        ("<polyline", "category 'wire' is unknown here: its lines are left out"),
        ("<points", "'answer' is missing: skipped"),
        ("<mask", "its run lengths sum to 3, not to 3 x 2 pixels: skipped"),
    ]


def test_tracks_move_between_the_frames_that_are_listed(tmp_path: Path) -> None:
    labels = of_text(tmp_path, VIDEO)
    assert list(labels.frames) == ["0", "1", "2", "3", "4", "5"]
    boxes = [[thing.box.tolist() for thing in truth.scene.obstacles] for truth in labels.frames.values()]
    assert boxes == [[[10, 10, 20, 20]], [[12, 10, 22, 25]], [[14, 10, 24, 30]], [], [], []]
    lanes = [[lane.label for lane in truth.scene.lanes] for truth in labels.frames.values()]
    assert lanes == [[], [], [], [], ["curb"], [""]]
    assert all(truth.known == {"lanes", "obstacles"} for truth in labels.frames.values())
    assert all(truth.scene.width == 100 for truth in labels.frames.values())
    (fault,) = labels.faults
    assert fault.endswith("annotations.xml:9: a shape of a track at frame 'x': skipped")
    assert labels.of(index=2) is labels.frames["2"]


def test_of_a_file_that_breaks_off_the_whole_part_is_read(tmp_path: Path) -> None:
    cut = IMAGES.index("<points")
    labels = of_text(tmp_path, IMAGES[:cut] + "<points")
    assert len(labels.frames["drive/a.jpg"].scene.obstacles) == 2
    assert labels.faults == [
        f"{tmp_path / 'annotations.xml'}:16: the XML breaks off (unclosed token): the rest is lost"
    ]
    for text in ("<html></html>", "no XML"):
        with pytest.raises(DataError, match="are no CVAT XML: export them as CVAT for images"):
            of_text(tmp_path, text)


def test_scores_of_proposals_are_shown_to_the_annotator(tmp_path: Path) -> None:
    truth = of_text(tmp_path, IMAGES).frames["drive/a.jpg"]
    cvat.write(tmp_path / "out.xml", {"a.jpg": truth})
    (image,) = ElementTree.parse(tmp_path / "out.xml").iter("image")
    assert {element.get("name"): element.text for element in image.find("box") or ()}["score"] == "1.000"
    again = read_labels(tmp_path / "out.xml").frames["a.jpg"]
    assert again.known == set(STANDING_TASKS) and again.questions[1][0].region == Point([[5, 6]])
    assert Box.of(again.scene.obstacles[0].box.tolist()) == Box.of(truth.scene.obstacles[0].box.tolist())
