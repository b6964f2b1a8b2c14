"""A folder as `getok replay` leaves it, made without a model: two models on a short drive, with labels and answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from getok_core.scene import Answer, DrivableArea, Fault, Lane, Light, Obstacle, Scene, Sign

SIZE = (320, 180)
TOPIC = "/front/image"
MODELS = ("getok-nano 1a2b3c", "getok-nano <new> 4d5e6f")
BEGAN_NS = 10**18


def name(index: int) -> str:
    return f"drive.mcap#{TOPIC}#{BEGAN_NS + index * 10**8}"


def image(index: int) -> np.ndarray:
    """(180, 320, 3): a road that gets lighter, so that pictures differ."""
    x, y = np.meshgrid(np.arange(SIZE[0]), np.arange(SIZE[1]))
    return np.stack([x // 3 + 4 * index, y + 20, 90 + 0 * x], axis=2).clip(0, 255).astype(np.uint8)


def frames(frame: str) -> np.ndarray | None:
    """What write_report asks for pictures."""
    index = (int(frame.rpartition("#")[2]) - BEGAN_NS) // 10**8
    return None if index == 5 else image(index)


def truth(index: int) -> Scene:
    """A lane on either side, the area between them, a car coming nearer, a sign and a light."""
    near, width, height = 40.0 + index, *SIZE
    left = Lane("solid yellow", 1.0, np.array([[40.0, 178.0], [100.0, 130.0], [150.0, 95.0]]))
    right = Lane("dashed white", 1.0, np.array([[280.0, 178.0], [220.0, 130.0], [170.0, 95.0]]))
    area = DrivableArea("drivable", 1.0, np.concatenate([left.points, right.points[::-1]]))
    car = Obstacle("car", 1.0, np.array([150.0, 100.0, 150.0 + near, 100.0 + near]))
    sign = Sign("stop", "red", "clear", 1.0, np.array([250.0, 40.0, 272.0, 62.0]))
    light = Light("green", 1.0, np.array([180.0, 20.0, 190.0, 44.0]))
    return Scene(width, height, (left, right), (area,), (car,), (sign,) * (index > 3), (light,) * (index % 2))


def said(index: int, model: str) -> Scene:
    """The truth a little beside itself; the second model misses the car at times, and is at fault once."""
    shift, second = 0.4 * (index % 3), model == MODELS[1]
    scene = truth(index)
    lanes = tuple(replace(lane, score=0.9, points=lane.points + shift) for lane in scene.lanes)
    cars = tuple(replace(car, score=0.5 + index / 60, box=car.box + shift) for car in scene.obstacles)
    faults = (Fault("unclosed", "", "signs"),) if second and index == 7 else ()
    return replace(scene, lanes=lanes, obstacles=cars if not (second and index % 4 == 0) else (), faults=faults,
                   model=model)  # fmt: skip


def write(out: Path, count: int = 12, models: tuple[str, ...] = MODELS, labelled: bool = True,
          metrics: Mapping[str, Any] | None = None) -> Path:  # fmt: skip
    """The files of a replay of count frames at 10 Hz."""
    out.mkdir(parents=True, exist_ok=True)
    scenes, timing = [], []
    for index in range(count):
        for at, model in enumerate(models):
            key = {"frame": name(index), "model": model}
            place = {"index": index, "topic": TOPIC, "stamp_ns": BEGAN_NS + index * 10**8}
            scene = {field: value for field, value in said(index, model).to_json().items() if field != "seconds"}
            scenes.append({**key, **place, "scene": scene})
            vision, propose, refine = 0.06, 0.05 + 0.01 * at + 0.001 * index, 0.02
            stages = {"vision": vision, "propose": propose, "refine": refine, "total": vision + propose + refine}
            timing.append({**key, "seconds": stages})
    _lines(out / "scenes.jsonl", scenes)
    _lines(out / "timing.jsonl", timing)
    if labelled:
        _lines(out / "truths.jsonl", [{"frame": name(i), "scene": truth(i).to_json()} for i in range(count)])
        _lines(out / "answers.jsonl", [answer(models[0])])
    if metrics is None:
        metrics = measured(count, models)
    (out / "metrics.json").write_text(json.dumps(metrics))
    return out


def answer(model: str) -> dict[str, Any]:
    region = {"kind": "box", "points": [[250.0, 40.0], [272.0, 62.0]]}
    given = Answer("red & dull", 0.9, scene=Scene(*SIZE)).to_json()
    return {"frame": name(4), "model": model, "question": "What colour is the sign?", "region": region, "answer": given}


def measured(count: int, models: tuple[str, ...] = MODELS) -> dict[str, Any]:
    """metrics.json with everything that it can hold."""
    rows = {"lanes within 1 %: F1": [0.95, 0.9, 0.98], "drivable area: IoU": [0.91, 0.88, 0.93],
            "lights: state of those found": [None, None, None]}  # fmt: skip
    confusion = {"sign colour": {"red": {"red": 5, "blue": 2}, "blue": {"blue": 3}}}
    bins = [{"low": 0.1 * i, "high": 0.1 * (i + 1), "score": 0.1 * i + 0.05, "right": min(1.0, 0.12 * i), "count": 9}
            for i in range(10)]  # fmt: skip
    one = {
        "tables": [{"title": "Scenes against labels", "columns": {"model": rows}}],
        "confusions": confusion,
        "reliability": {"obstacles": {"bins": bins, "ece": 0.042}},
        "slices": {"night": rows, "rain": {"lanes within 1 %: F1": [0.7, 0.5, 0.85]}},
    }
    ranked = [{"frame": name(i), "score": 1 - 0.05 * (i % 7), "worst": "obstacles at IoU 0.5: F1", "faults": i == 7,
               "agreed": {"from frame to frame": 1 - 0.02 * (i % 5), "between models": 0.9}}
              for i in range(count)]  # fmt: skip
    parity = {"frames": count, "equal scenes": 3, "lanes: F1": 1.0, "largest difference, px": 0.0}
    return {
        "command": ["getok", "replay", "drive.mcap", "--labels", "it's here.jsonl", "--out", "out"],
        "source": {"path": "drive.mcap", "sha256": "ab" * 32},
        "models": {model: one for model in models},
        "frames": ranked,
        "unreadable": [{"frame": f"drive.mcap#{TOPIC}#99", "why": "image is cut off"}],
        "parity": parity if len(models) > 1 else None,
        "label_free": {
            model: {"lanes, from frame to frame": [0.97, 0.95, 0.99], "frames at fault": [0.1, 0, 0.2]}
            for model in models
        },
    }


def _lines(path: Path, lines: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
