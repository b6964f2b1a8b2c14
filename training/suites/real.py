"""Real frames, test only: lanes of a highway clip, drivable area of dashcam frames, signs and lights of streets.

Read from the folder that GETOK_DATA names; each table raises DataError where its frames are missing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from getok_core.errors import DataError
from getok_core.geometry import Box
from getok_core.labels.comma10k import read_mask
from getok_core.lattice import Lattice
from getok_core.metrics.answers import most_frequent
from getok_core.metrics.areas import overlap, union
from getok_core.metrics.boxes import box_counts, box_ious
from getok_core.metrics.intervals import Interval, ratio_interval
from getok_core.metrics.outlines import outlined
from getok_core.metrics.tally import Block, Part
from getok_core.perceiver import Perceiver
from getok_core.queries import STANDING, TASKS, SceneQuery
from getok_core.scene import DrivableArea, Lane, Scene
from getok_core.view import RGB, read_image
from training import real_lanes, real_views
from training.baselines import ClassicalLanes
from training.photos import KNOWN, labelled
from training.targets import Frame

from .control import absent_of, absent_parts, control_of, control_parts, greyed
from .references import Asked, Constant, ceiling
from .replies import add_replies, replies_block
from .sheet import Sheet

SPLITS = Path(__file__).parents[2] / "tests" / "splits.json"
LANES = tuple(query for query in STANDING if query.name == "lanes")


# -- lanes -------------------------------------------------------------------------------------------------------


def lanes(perceivers: Mapping[int, Perceiver], data: Path, most: int | None = None) -> list[Block]:
    """Ego-lane lines found on the labelled frames as they are, and on fixed crops, shifts, mirrors and tilts.

    Here and below, most: frames of each set that are scored, the first so many; None for all.
    """
    frames = list(real_views.labelled_frames(data))[:most]
    seen = {frame.frame for frame in frames}
    sets = {"as they are": frames, "warped": [view for view in real_views.views(data) if view.frame in seen]}
    predictors: dict[str, real_lanes.Predictor] = {f"model R={r}": _draws(one) for r, one in perceivers.items()}
    for rounds, one in perceivers.items():
        every = [look for looks in sets.values() for look in looks]
        predictors[f"ceiling R={rounds}"] = _coded(every, one.lattice, rounds)
    predictors |= {
        "constant median": real_lanes.median_lines(),
        "classical, fixed region": ClassicalLanes.fixed_region(),
        "classical, consensus": ClassicalLanes.consensus(),
    }
    blocks = []
    for name, looks in sets.items():
        bar = tqdm(predictors.items(), desc=f"ego lanes, {name}", leave=False)
        columns = {column: _lane_rows(real_lanes.score(predict, looks)[0]) for column, predict in bar}
        lines = sum(len(view.lines) for view in looks)
        title = f"Real highway frames, {name}: {lines} ego-lane lines found on {len(looks)} images"
        blocks.append(Block(title, columns, {"images": len(looks), "lines": lines}))
    return blocks


def _draws(perceiver: Perceiver) -> real_lanes.Predictor:
    return lambda image: [lane.points for lane in perceiver.look(image, standing=LANES)[0].lanes]


def _coded(looks: list[real_views.View], lattice: Lattice, rounds: int) -> real_lanes.Predictor:
    """The labels as the lattice can say them, found by the image they belong to."""
    said = {}
    for look in looks:
        scene = Scene(*look.image.shape[1::-1], tuple(Lane("unknown", 1.0, line) for line in look.lines))
        said[id(look.image)] = [lane.points for lane in _ceiling(look.image, scene, lattice, rounds).lanes]
    return lambda image: said[id(image)]


def _ceiling(image: RGB, scene: Scene, lattice: Lattice, rounds: int) -> Scene:
    return ceiling(Frame(image, scene, frozenset()), lattice, rounds)


def _lane_rows(score: real_lanes.Score) -> dict[str, Interval]:
    rows = {
        f"within {100 * tolerance:g} %, {measure} distance": score.found(m, t)
        for m, measure in enumerate(real_lanes.MEASURES)
        for t, tolerance in enumerate(real_lanes.TOLERANCES)
    }
    most = real_lanes.MOST_LANES
    over = ratio_interval(score.drawn > most, np.ones(len(score.drawn)), score.frames)
    rows[f"images with more than {most} lanes drawn"] = over
    return rows


# -- drivable area -----------------------------------------------------------------------------------------------


def areas(perceivers: Mapping[int, Perceiver], data: Path, constant: Constant, most: int | None = None) -> list[Block]:
    """Drivable area against the masks of comma10k; the constant is the mean shape of synthetic training scenes."""
    sheet = Sheet()
    paths = unseen_images(data, "comma10k")[:most]
    for index, path in enumerate(tqdm(paths, desc="drivable area", leave=False)):
        image, truth = read_image(path), read_mask(path.with_suffix(".mask.png"))
        size = image.shape[1], image.shape[0]
        outlines = tuple(DrivableArea("drivable", 1.0, outline) for outline in outlined(truth))
        scenes = {"constant": constant.scene(size)}
        for rounds, perceiver in perceivers.items():
            scenes[f"model R={rounds}"] = perceiver.perceive(image)
            best = _ceiling(image, Scene(*size, drivable_areas=outlines), perceiver.lattice, rounds)
            scenes[f"ceiling R={rounds}"] = best
        for name, scene in scenes.items():
            said = union([area.points for area in scene.drivable_areas], size)
            sheet.add("areas", name, index, {"drivable area: IoU": overlap(truth, said)})
    return [sheet.block("areas", f"Real dashcam frames (comma10k): {len(paths)} images, pixels of all together")]


# -- signs and lights --------------------------------------------------------------------------------------------


def signs(perceivers: Mapping[int, Perceiver], data: Path, most: int | None = None) -> list[Block]:
    """Boxes of signs and lights found on street photographs, and what is answered when their box is given."""
    annotations = _annotations(data)
    paths = unseen_images(data, "roadsigns")
    tested = {path.name for path in paths}
    paths = paths[:most]
    constant = usual_answers([objects for name, objects in annotations.items() if name not in tested])
    sheet, finest = Sheet(), max(perceivers)
    for index, path in enumerate(tqdm(paths, desc="signs and lights", leave=False)):
        image, objects = read_image(path), annotations[path.name]
        photo, asked = labelled(image, objects), sure_questions(objects)
        truth = Scene(*image.shape[1::-1], signs=photo.signs, lights=photo.lights)
        frame = Frame(image, truth, KNOWN)
        absent, control = absent_of(index, frame), control_of(index, frame)
        queries = [query for query, _ in asked] + [one.query for one in absent]
        queries += control.queries if control else []
        for rounds, perceiver in perceivers.items():
            said, answers = perceiver.look(image, queries, STANDING)
            sheet.add("boxes", f"model R={rounds}", index, _recall(truth, said))
            best = _ceiling(image, truth, perceiver.lattice, rounds)
            sheet.add("boxes", f"ceiling R={rounds}", index, _recall(truth, best))
            if rounds == finest:
                replies = [(query, word, answer) for (query, word), answer in zip(asked, answers, strict=False)]
                add_replies(sheet, index, replies, constant)
                nothing = [answer.answer for answer in answers[len(asked) : len(asked) + len(absent)]]
                present = [(query, word, answer.answer) for query, word, answer in replies]
                sheet.add("nothing", "model", index, absent_parts(absent, nothing, present))
                if control:
                    words = [answer.answer for answer in answers[len(asked) + len(absent) :]]
                    blind = perceiver.look(greyed(image), control.queries[:2], ())[1]
                    parts = control_parts(control, words, [answer.answer for answer in blind])
                    sheet.add("control", "model", index, parts)
    title = f"Real street photographs: boxes found on {len(paths)} images (no precision: other signs are not labelled)"
    asked_title = "Real street photographs: questions about labelled boxes"
    nothing_title = "Real street photographs: a sign asked about as a light, a light as a sign"
    blocks = [sheet.block("boxes", title), replies_block(sheet, asked_title), sheet.block("nothing", nothing_title)]
    if "control" in sheet.tables:
        count = len(sheet.images["control"])
        title = f"Region control: {count} street photographs with two or more differently coloured signs"
        blocks.append(sheet.block("control", title))
    return blocks


def sure_questions(objects: list[dict[str, Any]]) -> Asked:
    """Colour of each sign that shows it, state of each light where it is sure, with the label's answer."""
    asked = []
    for thing in objects:
        photo, region = labelled(np.zeros((1, 1, 3), np.uint8), [thing]), Box.of(thing["box"])
        if photo.signs and thing["colour_visible"]:
            asked.append((SceneQuery("sign colour", TASKS["sign colour"].prompt, region), photo.signs[0].colour))
        if photo.lights and thing["state_sure"]:
            asked.append((SceneQuery("light state", TASKS["light state"].prompt, region), photo.lights[0].state))
    return asked


def usual_answers(annotations: list[list[dict[str, Any]]]) -> dict[str, str]:
    """Task -> its most frequent answer over the objects of these photographs."""
    asked = [pair for objects in annotations for pair in sure_questions(objects)]
    tasks = {query.name for query, _ in asked}
    return {task: most_frequent(answer for query, answer in asked if query.name == task) for task in tasks}


def _recall(truth: Scene, said: Scene) -> dict[str, Part]:
    parts: dict[str, Part] = {}
    for name, truths, drawn in (("signs", truth.signs, said.signs), ("lights", truth.lights, said.lights)):
        ious = box_ious([one.box for one in truths], [one.box for one in drawn])
        counts = box_counts(ious, [one.score for one in drawn], 0.5)
        parts[f"{name} at IoU 0.5: recall"] = (counts.hits, counts.truths)
        parts[f"{name} drawn per labelled one"] = (counts.drawn, counts.truths)
    return parts


def _annotations(data: Path) -> dict[str, list[dict[str, Any]]]:
    path = data / "roadsigns" / "annotations.json"
    if not path.is_file():
        raise DataError(f"{path} is missing: GETOK_DATA must hold roadsigns/annotations.json")
    return {name: entry["objects"] for name, entry in json.loads(path.read_text()).items()}


# -- files -------------------------------------------------------------------------------------------------------


def unseen_images(data: Path, group: str) -> list[Path]:
    """Test images of a group of tests/splits.json, in order. Raises DataError when one is missing or another image."""
    folder = data / group / "images" if group == "roadsigns" else data / group
    paths = []
    for name, digest in json.loads(SPLITS.read_text())["test"][group].items():
        path = folder / name
        if not path.is_file():
            raise DataError(f"test image {path} is missing: set GETOK_DATA to the folder that holds {group}/")
        if hashlib.sha256(path.read_bytes()).hexdigest() != digest:
            raise DataError(f"{path} is not the image that tests/splits.json lists: copy it again")
        paths.append(path)
    return paths
