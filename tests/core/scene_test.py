"""A scene as JSON has exactly the contract's keys, rounded, and nothing JSON cannot hold."""

import json

import numpy as np
import pytest

from getok_core.scene import Answer, DrivableArea, Fault, Lane, Light, Obstacle, Scene, Sign

BOX = np.array([600.04, 295.26, 690.0, 362.8])
LINE = np.array([[315.04, 455.6], [330.0, 430.26]])
SCENE = Scene(
    960, 540,
    lanes=(Lane("solid yellow", 0.93456, LINE),),
    drivable_areas=(DrivableArea("drivable", 0.97, np.array([[7.5, 531.6], [517.5, 329.1], [952.5, 531.6]])),),
    obstacles=(Obstacle("car", np.float64(0.88), BOX),),
    signs=(Sign("stop", "red", "clear", 0.9, BOX),),
    lights=(Light("red", 0.8, BOX),),
    faults=(Fault("inverted box", query="signs"),),
    truncated=True,
    seconds={"vision": 0.061234, "propose": 0.05, "refine": 0.02, "total": 0.14},
    model="getok-nano 1a2b3c",
)  # fmt: skip


def test_a_scene_has_exactly_the_contract_s_keys():
    said = SCENE.to_json()
    assert list(said) == ["image", "lanes", "drivable_areas", "obstacles", "signs", "lights", "faults", "truncated",
                          "seconds", "model"]  # fmt: skip
    assert list(said["image"]) == ["width", "height"]
    assert list(said["lanes"][0]) == list(said["drivable_areas"][0]) == ["label", "score", "points"]
    assert list(said["obstacles"][0]) == ["label", "score", "box"]
    assert list(said["signs"][0]) == ["label", "colour", "visible_state", "score", "box"]
    assert list(said["lights"][0]) == ["state", "score", "box"]
    assert list(said["faults"][0]) == ["kind", "detail", "query"]
    assert list(said["seconds"]) == ["vision", "propose", "refine", "total"]


def test_a_scene_goes_through_json_and_is_rounded():
    said = json.loads(json.dumps(SCENE.to_json(), allow_nan=False))
    assert said["image"] == {"width": 960, "height": 540}
    assert said["lanes"] == [{"label": "solid yellow", "score": 0.935, "points": [[315.0, 455.6], [330.0, 430.3]]}]
    assert said["obstacles"] == [{"label": "car", "score": 0.88, "box": [600.0, 295.3, 690.0, 362.8]}]
    assert said["faults"] == [{"kind": "inverted box", "detail": "", "query": "signs"}]
    assert said["truncated"] is True
    assert said["seconds"]["vision"] == 0.0612
    assert said["model"] == "getok-nano 1a2b3c"


def test_an_empty_scene_still_has_every_key():
    said = Scene(1, 1).to_json()
    assert list(said) == list(SCENE.to_json())
    assert said["lanes"] == said["lights"] == said["faults"] == []
    assert said["truncated"] is False


def test_an_answer_holds_its_words_and_whatever_geometry_came_with_it():
    answer = Answer("red", 0.97123, (np.array([[1.04, 2.0]]), np.array([[3.0, 4.0], [5.0, 6.06]])), SCENE)
    said = json.loads(json.dumps(answer.to_json(), allow_nan=False))
    assert list(said)[:3] == ["answer", "score", "points"]
    assert set(said) == {"answer", "score", "points", *SCENE.to_json()}
    assert said["points"] == [[1.0, 2.0], [3.0, 4.0], [5.0, 6.1]]
    assert (said["answer"], said["score"]) == ("red", 0.971)
    assert said["lanes"] == SCENE.to_json()["lanes"]


def test_a_scene_comes_back_from_its_json():
    said = json.loads(json.dumps(SCENE.to_json()))
    back = Scene.from_json(said)
    assert back.to_json() == said
    assert isinstance(back.lanes[0].points, np.ndarray) and back.obstacles[0].box.shape == (4,)
    assert Scene.from_json({"image": {"width": 3, "height": 2}}).to_json() == Scene(3, 2).to_json()


def test_a_label_without_a_score_is_sure():
    lane = {"label": "curb", "points": [[1, 2], [3, 4]]}
    assert Scene.from_json({"image": {"width": 3, "height": 2}, "lanes": [lane]}).lanes[0].score == 1.0


@pytest.mark.parametrize(("part", "says"), [
    ({"image": {"width": 3}}, "without height"),
    ({"image": None}, "no scene"),
    ({"lanes": [{"points": [[1, 2]]}]}, "without label"),
    ({"lanes": [{"label": "curb", "points": [[1, 2, 3]]}]}, "shape"),
    ({"lanes": [{"label": "curb", "points": [[1, float("nan")]]}]}, "finite"),
    ({"obstacles": [{"label": "car", "box": [1, 2, 3]}]}, "left, top, right, bottom"),
    ({"lights": [{"state": 7, "box": [1, 2, 3, 4]}]}, "state is a word"),
    ({"faults": [{"sort": "unclosed"}]}, "sort"),
    ({"seconds": [1]}, "no scene"),
])  # fmt: skip
def test_what_is_no_scene_is_refused_in_one_line(part, says):
    with pytest.raises(ValueError, match=says) as refusal:
        Scene.from_json({"image": {"width": 3, "height": 2}, **part})
    assert "\n" not in str(refusal.value)


def test_an_answer_comes_back_from_its_json():
    said = json.loads(json.dumps(Answer("red", 0.9, (LINE,), SCENE).to_json()))
    assert Answer.from_json(said).to_json() == said
    with pytest.raises(ValueError, match="without its words"):
        Answer.from_json({"image": {"width": 1, "height": 1}})
