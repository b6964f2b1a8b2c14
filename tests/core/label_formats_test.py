"""Every format's own records, made here, some of them malformed: what is read, in whose pixels, and what is said."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from getok_core.errors import DataError
from getok_core.labels import Labels, read_labels
from getok_core.labels.comma10k import COLOURS
from getok_core.metrics.areas import union


def written(path: Path, said: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(said if isinstance(said, str) else json.dumps(said))
    return path


def faults(labels: Labels) -> list[str]:
    """Without the file's folder."""
    return [fault[fault.rindex("/") + 1 :] for fault in labels.faults]


# -- COCO ----------------------------------------------------------------------------------------------------------

COCO = {
    "images": [
        {"id": 7, "file_name": "drive/a.jpg", "width": 100, "height": 50},
        {"id": 8, "file_name": "drive/b.jpg", "width": 100, "height": 50},
        {"id": 9, "file_name": "drive/c.jpg"},
    ],
    "categories": [
        {"id": 1, "name": "person"},
        {"id": 2, "name": "traffic light"},
        {"id": 3, "name": "stop sign"},
        {"id": 4, "name": "road"},
        {"id": 5, "name": "umbrella"},
    ],
    "annotations": [
        {"image_id": 7, "category_id": 1, "bbox": [10, 20, 5, 8]},
        {"image_id": 7, "category_id": 1, "bbox": [60, 20, 5, 28]},
        {"image_id": 7, "category_id": 2, "bbox": [90, 0, 20, 10], "attributes": {"state": "red"}},
        {"image_id": 7, "category_id": 3, "segmentation": [[1, 2, 5, 2, 5, 9]]},
        {"image_id": 7, "category_id": 4, "segmentation": [[0, 50, 50, 25, 100, 50]]},
        {"image_id": 7, "category_id": 5, "bbox": [1, 1, 2, 2]},
        {"image_id": 7, "category_id": 5, "bbox": [1, 1, 2, 2]},
        {"image_id": 8, "category_id": 1, "bbox": [10, 20, 5]},
        {"image_id": 8, "category_id": 1, "bbox": [200, 20, 5, 5]},
        {"image_id": 8, "category_id": 3},
        {"image_id": 6, "category_id": 1, "bbox": [10, 20, 5, 5]},
        {"image_id": 8, "category_id": 99, "bbox": [10, 20, 5, 5]},
        {"image_id": 7, "category_id": 2, "iscrowd": 1, "segmentation": {"counts": [1], "size": [1, 1]}},
    ],
}


def test_coco_boxes_and_polygons_are_read_with_what_is_wrong(tmp_path: Path) -> None:
    labels = read_labels(written(tmp_path / "instances.json", COCO))
    truth, other = labels.of("a.jpg"), labels.of("b.jpg")
    assert truth and other and set(labels.frames) == {"drive/a.jpg", "drive/b.jpg"}
    scene = truth.scene
    assert [(thing.label, thing.box.tolist()) for thing in scene.obstacles] == [
        ("pedestrian", [60, 20, 65, 48]), ("pedestrian", [10, 20, 15, 28]), ("other", [1, 1, 3, 3]),
        ("other", [1, 1, 3, 3]),
    ]  # fmt: skip
    assert [(light.state, light.box.tolist()) for light in scene.lights] == [("red", [90, 0, 100, 10])]
    assert [(sign.label, sign.colour, sign.box.tolist()) for sign in scene.signs] == [("stop", "", [1, 2, 5, 9])]
    assert scene.drivable_areas[0].points.tolist() == [[0, 50], [50, 25], [100, 50]]
    assert truth.known == {"obstacles", "signs", "drivable area"}  # one light is a crowd
    assert other.known == {"lights", "drivable area"} and not other.scene.obstacles
    assert faults(labels) == [
        "instances.json:images[2]: no image has width None and height None: skipped",
        "instances.json:annotations[5]: category 'umbrella' is unknown here: taken for an obstacle \"other\"",
        "instances.json:annotations[7]: a bbox of 3 values: x, y, width and height are needed: skipped",
        "instances.json:annotations[8]: [[200.0, 20.0], [205.0, 25.0]] lies outside the image of 100 x 50: skipped",
        "instances.json:annotations[9]: it has neither bbox nor segmentation: skipped",
        "instances.json:annotations[10]: image_id 6 is none of those listed: skipped",
        "instances.json:annotations[11]: category_id 99 is none of those listed: skipped",
    ]


def test_coco_masks_of_plain_run_lengths_are_outlines(tmp_path: Path) -> None:
    area = np.zeros((4, 3), bool)
    area[1:, 1] = area[3] = True
    runs, row = [0], False
    for value in area.T.ravel():  # column by column
        if value != row:
            runs.append(0)
        runs[-1], row = runs[-1] + 1, value
    images = [{"id": 1, "file_name": "a", "width": 3, "height": 4}]
    one = {"image_id": 1, "category_id": 4, "iscrowd": 1}
    packed = {**one, "segmentation": {"counts": "abc", "size": [4, 3]}}
    short = {**one, "segmentation": {"counts": [3], "size": [4, 3]}}
    said = COCO | {"images": images, "annotations": [{**one, "segmentation": {"counts": runs}}, packed, short]}
    labels = read_labels(written(tmp_path / "a.json", said))
    outlines = [outline.points for outline in labels.frames["a"].scene.drivable_areas]
    assert (union(outlines, (3, 4)) == area).all()
    assert "packed into text" in labels.faults[0] and "sum to 3, not to 3 x 4 pixels" in labels.faults[1]
    assert "drivable area" not in labels.frames["a"].known


# -- CULane --------------------------------------------------------------------------------------------------------


def test_culane_lines_are_pixel_centres_and_near_to_far(tmp_path: Path) -> None:
    written(tmp_path / "driver_1" / "00000.lines.txt", "100 589 200 300 \n700.5 300 600 589\n")
    written(tmp_path / "driver_1" / "00030.lines.txt", "")
    written(tmp_path / "driver_2" / "00000.lines.txt", "1 2 3\n5 6\n1 2 x 4\n9 8 7 6\n")
    written(tmp_path / "list" / "test_split" / "test8_night.txt", "driver_1/00000.jpg\n/driver_1/00030.jpg\n")
    labels = read_labels(tmp_path)
    truth, empty, bad = (labels.of(f"{name}.jpg") for name in ("driver_1/00000", "driver_1/00030", "driver_2/00000"))
    assert truth and empty and bad and labels.of("00000.jpg") is None
    assert [(lane.label, lane.points.tolist()) for lane in truth.scene.lanes] == [
        ("", [[100.5, 589.5], [200.5, 300.5]]), ("", [[600.5, 589.5], [701.0, 300.5]]),
    ]  # fmt: skip
    assert truth.slices == empty.slices == {"scene": "night"} and bad.slices == {}
    assert truth.known == empty.known == {"lanes"} and not empty.scene.lanes
    assert bad.known == set() and bad.scene.lanes[0].points.tolist() == [[9.5, 8.5], [7.5, 6.5]]
    assert [fault.partition("driver_2/")[2] for fault in labels.faults] == [
        "00000.lines.txt:1: a lane of 3 numbers: x y pairs are needed: skipped",
        "00000.lines.txt:2: a pl needs at least 2 vertices, got 1: skipped",
        "00000.lines.txt:3: could not convert string to float: 'x': skipped",
    ]
    lone = read_labels(tmp_path / "driver_1" / "00000.lines.txt")
    assert list(lone.frames) == ["00000"] and (truth.scene.width, truth.scene.height) == (0, 0)


# -- TuSimple ------------------------------------------------------------------------------------------------------


def test_tusimple_lanes_are_pixel_centres_at_their_rows(tmp_path: Path) -> None:
    whole = {"raw_file": "clips/0530/1/20.jpg", "h_samples": [240, 250, 260],
             "lanes": [[-2, 300, 290], [-2, -2, -2], [-2, -2, 5]]}  # fmt: skip
    lines = [
        json.dumps(whole),
        json.dumps({**whole, "raw_file": "clips/0530/2/20.jpg", "lanes": [[1, 2], [3, 4, 5]]}),
        json.dumps(whole),
        json.dumps({"raw_file": "x", "lanes": []}),
        '{"raw_file": "clips',
    ]
    labels = read_labels(written(tmp_path / "label_data.json", "\n".join(lines) + "\n"))
    truth = labels.of("0530/1/20.jpg")
    assert truth and truth.rows == (240.5, 250.5, 260.5) and truth.known == {"lanes"}
    assert [lane.points.tolist() for lane in truth.scene.lanes] == [[[290.5, 260.5], [300.5, 250.5]]]
    assert labels.frames["clips/0530/2/20.jpg"].known == set()
    assert faults(labels) == [
        "label_data.json:2: a lane has 2 values for 3 h_samples: skipped",
        "20.jpg' a second time: its first line counts: skipped",
        "label_data.json:4: no TuSimple label (h_samples are missing): skipped",
        labels.faults[3][labels.faults[3].rindex("/") + 1 :],
    ]
    assert "label_data.json:5: no TuSimple label (Unterminated string" in labels.faults[3]


# -- BDD100K -------------------------------------------------------------------------------------------------------


def painted(xy: list[list[float]], types: str = "LL", **more: object) -> dict:
    attributes = {"laneDirection": "parallel", "laneStyle": "solid", "laneTypes": "single white"}
    return {"category": "lane", "attributes": attributes | more, "poly2d": [{"vertices": xy, "types": types}]}


BDD = [
    {
        "name": "0001.jpg",
        "attributes": {"weather": "rainy", "scene": "undefined", "timeofday": "night"},
        "labels": [
            {"category": "bike", "box2d": {"x1": 10, "y1": 20, "x2": 29, "y2": 39}},
            {"category": "traffic light", "attributes": {"trafficLightColor": "green"},
             "box2d": {"x1": 0, "y1": 0, "x2": 9, "y2": 9}},
            {"category": "traffic sign", "attributes": {}, "box2d": {"x1": 0, "y1": 0, "x2": 9, "y2": 9}},
            painted([[400, 700], [600, 400]]),
            painted([[604, 400], [420, 700]]),
            painted([[900, 700], [700, 400]], laneStyle="dashed"),
            painted([[300, 650], [900, 650]], laneDirection="vertical"),
            {"category": "drivable area", "attributes": {"areaType": "direct"},
             "poly2d": [{"vertices": [[0, 700], [600, 400], [1280, 700]], "types": "LLL", "closed": True}]},
        ],
    },
    {
        "name": "0002.jpg",
        "labels": [
            painted([[0, 0], [100, 0], [100, 100], [200, 100]], "LCCC"),
            painted([[0, 0], [100, 0]], "L"),
            {"category": "car", "box2d": {"x1": 10, "y1": 20, "x2": 29}},
            {"category": "spaceship", "box2d": {"x1": 10, "y1": 20, "x2": 29, "y2": 25}},
            {"category": "wire", "poly2d": []},
        ],
    },
    {"labels": []},
]  # fmt: skip


def test_bdd100k_frames_are_read_with_their_conditions(tmp_path: Path) -> None:
    labels = read_labels(written(tmp_path / "train.json", BDD))
    truth, other = labels.frames.values()
    scene = truth.scene
    assert (scene.width, scene.height) == (1280, 720) and truth.slices == {"weather": "rainy", "time of day": "night"}
    assert [(thing.label, thing.box.tolist()) for thing in scene.obstacles] == [("bicycle", [10, 20, 30, 40])]
    assert scene.lights[0].state == "green" and scene.signs[0].label == ""
    assert scene.drivable_areas[0].points.tolist() == [[0, 700], [600, 400], [1280, 700]]
    assert len(truth.known) == 5
    # both edges of the first line become its middle, the line across the road is none
    assert [(lane.label, lane.points[[0, -1]].tolist()) for lane in scene.lanes] == [
        ("solid white", [[410, 700], [602, 400]]), ("dashed white", [[900, 700], [700, 400]]),
    ]  # fmt: skip
    (curve,) = other.scene.lanes
    assert curve.points[[0, -1]].tolist() == [[200, 100], [0, 0]] and len(curve.points) == 13
    assert np.abs(curve.points - [100, 50]).sum(1).min() < 1e-9  # the middle of the Bezier curve
    assert other.known == {"drivable area", "signs", "lights"}
    assert faults(labels) == [
        "train.json:frames[1].labels[1]: 2 vertices have 1 types: skipped",
        "train.json:frames[1].labels[2]: 'y2' is missing: skipped",
        "train.json:frames[1].labels[3]: category 'spaceship' is unknown here: taken for an obstacle \"other\"",
        "train.json:frames[1].labels[4]: category 'wire' is unknown here: its lines are left out",
        "train.json:frames[2]: name must be a name or number, got None: skipped",
    ]


def test_bdd100k_of_all_releases_is_the_same_frame(tmp_path: Path) -> None:
    box = {"category": "car", "box2d": {"x1": 1, "y1": 2, "x2": 8, "y2": 9}}
    first = {"category": "lane/single white", "attributes": {"direction": "parallel", "style": "solid"},
             "poly2d": [[400, 700, "L"], [600, 400, "L"]]}  # fmt: skip
    lane = painted([[400, 700], [600, 400]])
    forms = (
        [{"name": "a.jpg", "labels": [box, lane]}],
        {"frames": [{"name": "a.jpg", "labels": [box, {**lane, "category": "single white"}]}], "groups": None},
        {"name": "a", "frames": [{"timestamp": 10000, "objects": [box, first]}], "attributes": {"weather": "clear"}},
    )
    scenes = []
    for number, form in enumerate(forms):
        labels = read_labels(written(tmp_path / f"{number}.json", form), format="bdd100k")
        truth = labels.of("a.jpg")
        assert truth and not labels.faults and truth.known == {"lanes", "obstacles"}
        scenes.append(truth.scene.to_json())
    assert scenes[0] == scenes[1] == scenes[2] and scenes[0]["lanes"][0]["label"] == "solid white"
    sized = [{"name": "a", "size": {"width": 640, "height": 360}, "labels": [box]}]
    assert read_labels(written(tmp_path / "s.json", sized)).frames["a"].scene.width == 640


def test_json_that_breaks_off_is_named(tmp_path: Path) -> None:
    path = written(tmp_path / "train.json", json.dumps(BDD)[:-20])
    for format in ("bdd100k", "coco"):
        with pytest.raises(DataError, match=r"train.json are no JSON .*: export them again"):
            read_labels(path, format=format)


# -- comma10k ------------------------------------------------------------------------------------------------------


def painting(area: np.ndarray) -> np.ndarray:
    """(H, W, 3) blue, green, red: road and paint in turns where area, undrivable elsewhere."""
    numbers = np.where(area, COLOURS["road"], COLOURS["undrivable"])
    numbers[area & (np.indices(area.shape).sum(0) % 2 == 0)] = COLOURS["lane marking"]
    return np.stack([numbers & 255, numbers >> 8 & 255, numbers >> 16], -1).astype(np.uint8)


def test_comma10k_masks_give_the_drivable_area_exactly(tmp_path: Path) -> None:
    area = np.random.default_rng(0).random((20, 30)) < 0.6
    (tmp_path / "masks").mkdir()
    cv2.imwrite(str(tmp_path / "masks" / "0001.png"), painting(area))
    cv2.imwrite(str(tmp_path / "masks" / "0002.png"), painting(~area) // 2)
    (tmp_path / "masks" / "0003.png").write_bytes(b"no picture")
    for path in (tmp_path, tmp_path / "masks"):
        labels = read_labels(path)
        truth = labels.of("0001.png")
        assert truth and truth.known == {"drivable area"} and (truth.scene.width, truth.scene.height) == (30, 20)
        assert (union([one.points for one in truth.scene.drivable_areas], (30, 20)) == area).all()
        assert len(labels.faults) == 2 and len(labels.frames) == 1
        assert "has 600 pixels of no comma10k colour, such as #" in labels.faults[0]
        assert "0003.png cannot be read" in labels.faults[1]


def test_comma10k_masks_may_lie_beside_their_images_and_be_palette_pictures(tmp_path: Path) -> None:
    picture = pytest.importorskip("PIL.Image", reason="pillow is missing: install it to write palette pictures")
    area = np.array([[True, False, True], [True, True, False]])
    rgb = picture.fromarray(painting(area)[..., ::-1].copy())
    rgb.convert("P", palette=picture.Palette.ADAPTIVE, colors=4).save(tmp_path / "a.mask.png")
    cv2.imwrite(str(tmp_path / "a.jpg"), np.zeros((2, 3, 3), np.uint8))
    truth = read_labels(tmp_path).of("a.jpg")
    assert truth and (union([one.points for one in truth.scene.drivable_areas], (3, 2)) == area).all()
    assert list(read_labels(tmp_path / "a.mask.png").frames) == ["a.png"]


# -- OpenLane ------------------------------------------------------------------------------------------------------

OPENLANE = {
    "extrinsic": np.eye(4).tolist(), "intrinsic": np.eye(3).tolist(),
    "file_path": "training/segment-1/150.jpg",
    "lane_lines": [
        {"category": 7, "visibility": [1.0, 1.0, 0.0], "uv": [[900.0, 950.0, 960.0], [1279.0, 800.0, 700.0]],
         "xyz": [[0, 0, 0]] * 3, "attribute": 2, "track_id": 1},
        {"category": 21, "visibility": [1.0, 1.0], "uv": [[1700.0, 1600.0, 2500.0], [1200.0, 900.0, 1200.0]],
         "xyz": [[0, 0]] * 3, "attribute": 0, "track_id": 2},
    ],
}  # fmt: skip


def test_openlane_lines_are_read_in_the_image_as_far_as_they_are_seen(tmp_path: Path) -> None:
    written(tmp_path / "segment-1" / "150.json", OPENLANE)
    line = OPENLANE["lane_lines"][0]
    bad = [
        line | {"category": 99},
        line | {"uv": [[1.0], [2.0, 3.0]]},
        line | {"uv": [[1.0], [2.0]]},
        {"category": 1},
        line,
    ]
    written(
        tmp_path / "segment-1" / "151.json", OPENLANE | {"file_path": "training/segment-1/151.jpg", "lane_lines": bad}
    )
    written(tmp_path / "segment-1" / "152.json", "[]")
    labels = read_labels(tmp_path)
    truth, other = labels.frames.values()
    assert (truth.scene.width, truth.scene.height) == (1920, 1280) and truth.known == {"lanes"}
    assert [(lane.label, lane.points.tolist()) for lane in truth.scene.lanes] == [
        ("dashed yellow", [[900.5, 1279.5], [950.5, 800.5]]), ("curb", [[1700.5, 1200.5], [1600.5, 900.5]]),
    ]  # fmt: skip
    assert other.known == set() and len(other.scene.lanes) == 1
    assert [fault.partition("segment-1/")[2].removesuffix(": skipped") for fault in labels.faults] == [
        "151.json:lane_lines[0]: category 99 is none of 0, 1, 2, 7, 8, 20, 21, 3, 4, 5, 6, 9, 10, 11, 12",
        "151.json:lane_lines[1]: uv has 1 x and 2 y",
        "151.json:lane_lines[2]: a pl needs at least 2 vertices, got 1",
        "151.json:lane_lines[3]: 'uv' is missing",
        "152.json: no OpenLane label (a label must be an object, got [])",
    ]


# -- whatever a file holds -----------------------------------------------------------------------------------------

TUSIMPLE = {"raw_file": "a/20.jpg", "h_samples": [240, 250, 260], "lanes": [[-2, 300, 290], [1, 2, 3]]}
OWN = {"frame": "a", "image": {"width": 9, "height": 9}, "lanes": [{"label": "curb", "points": [[1, 2], [3, 4]]}],
       "known": ["lanes"], "slices": {"a": "b"}, "rows": [1], "obstacles": [{"label": "car", "box": [1, 2, 3, 4]}],
       "questions": [{"task": "sign colour", "region": "1,2,3,4", "answer": "red", "options": ["red"]}]}  # fmt: skip
ANYTHING = st.sampled_from([None, 1, -1, "x", "", [], {}, [None], [[1]], {"a": 1}, True, -5.5, 1e400, 10**30]).map(
    deepcopy
)


@st.composite
def bent(draw: st.DrawFn, said: object) -> object:
    """The same JSON with up to three values taken out or replaced."""
    said = deepcopy(said)
    for _ in range(draw(st.integers(1, 3))):
        places, todo = [], [said]
        while todo:
            held = todo.pop()
            if isinstance(held, dict | list):
                keys = list(held) if isinstance(held, dict) else range(len(held))
                places += [(held, key) for key in keys]
                todo += [held[key] for key in keys]
        held, key = draw(st.sampled_from(places))
        if draw(st.booleans()):
            held[key] = draw(ANYTHING)
        else:
            del held[key]
        if not said:
            break
    return said


@settings(max_examples=250, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_whatever_a_file_holds_it_is_read_or_refused_in_one_line(tmp_path: Path, data: st.DataObject) -> None:
    whole = {"jsonl": OWN, "tusimple": TUSIMPLE, "coco": COCO, "bdd100k": BDD, "openlane": OPENLANE}
    format = data.draw(st.sampled_from(list(whole)))
    path = written(tmp_path / "a.json", data.draw(bent(whole[format])))
    try:
        labels = read_labels(path, format=format)
    except DataError as error:
        assert "\n" not in str(error)
    else:
        assert all("\n" not in fault for fault in labels.faults)
        assert all(truth.sized((640, 360)).scene.width == 640 for truth in labels.frames.values())
