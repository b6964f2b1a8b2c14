"""Real street photographs with labelled signs and lights, the training part only, as frames of the model's size.

Reads the folder that GETOK_DATA names; images listed in tests/splits.json are test-only and never opened here.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from getok_core.errors import DataError
from getok_core.lattice import Size
from getok_core.scene import Light, Scene, Sign
from getok_core.view import read_image

from .scenes import Backgrounds
from .targets import Frame

KNOWN = frozenset({"signs", "lights", "sign colour", "light state"})
_SHAPES = {"octagon": "stop"}
_STATES = {"lamps_not_visible_or_off": "off", "multiple_lit": "unknown"}


def data_folder() -> Path:
    """The folder that GETOK_DATA names. Raises DataError when it is unset or missing."""
    named = os.environ.get("GETOK_DATA", "")
    if not named or not Path(named).is_dir():
        raise DataError(f"GETOK_DATA names no folder of real frames (got {named!r}): set it to one")
    return Path(named)


def test_only() -> frozenset[str]:
    """sha256 digests of every image that must not be trained on."""
    splits = json.loads((Path(__file__).parent.parent / "tests" / "splits.json").read_text())
    return frozenset(digest for group in splits["test"].values() for digest in group.values())


def labelled_boxes(data: Path | None = None) -> dict[str, list[list[float]]]:
    """Image name -> boxes of its labelled signs and lights, so that backgrounds can be cleared of them."""
    annotations = (data or data_folder()) / "roadsigns" / "annotations.json"
    entries = json.loads(annotations.read_text()).items()
    return {name: [thing["box"] for thing in entry["objects"]] for name, entry in entries}


@dataclass(frozen=True, eq=False)
class Photo:
    """A photograph and its labelled objects."""

    image: NDArray[np.uint8]
    signs: tuple[Sign, ...]
    lights: tuple[Light, ...]


def labelled(image: NDArray[np.uint8], objects: list[dict[str, Any]]) -> Photo:
    """Annotations of one photograph -> signs and lights; a colour or state that is not sure stays empty."""
    signs, lights = [], []
    for thing in objects:
        box = np.asarray(thing["box"], np.float64)
        if thing["cls"] == "trafficlight":
            state = _STATES.get(thing["state"], thing["state"])
            lights.append(Light(state if thing["state_sure"] else "unknown", 1.0, box))
        else:
            colour = thing["colour"] if thing["colour_visible"] else ""
            signs.append(Sign(_SHAPES.get(thing["shape"], thing["shape"]), colour, "", 1.0, box))
    return Photo(image, tuple(signs), tuple(lights))


def augment(photo: Photo, size: Size, rng: np.random.Generator) -> Frame:
    """A random crop, mirrored half of the time, with other light, at size (width, height); boxes move along."""
    height, width = photo.image.shape[:2]
    for _ in range(8):
        w, h = (rng.uniform(0.45, 1.0, 2) * (width, height)).astype(int)
        x, y = int(rng.integers(0, width - w + 1)), int(rng.integers(0, height - h + 1))
        signs, lights = _cropped(photo.signs, x, y, w, h), _cropped(photo.lights, x, y, w, h)
        if signs is not None and lights is not None:
            break
    else:
        x, y, w, h, signs, lights = 0, 0, width, height, photo.signs, photo.lights
    image = cv2.resize(photo.image[y : y + h, x : x + w], size, interpolation=cv2.INTER_AREA)
    mirrored, scale = rng.random() < 0.5, np.asarray([size[0] / w, size[1] / h])
    if mirrored:
        image = image[:, ::-1]
    tone = np.arange(256, dtype=np.float64) / 255.0
    tone = np.clip(tone ** rng.uniform(0.6, 1.6) * rng.uniform(0.7, 1.25) + rng.uniform(-0.06, 0.06), 0, 1)
    image = (tone * 255).astype(np.uint8)[image]
    image = np.clip(image * rng.uniform(0.92, 1.08, 3) + rng.normal(0, rng.uniform(0, 6), image.shape), 0, 255)

    def placed(things: tuple[Any, ...]) -> tuple[Any, ...]:
        out = []
        for thing in things:
            corners = (thing.box.reshape(2, 2) - (x, y)) * scale
            if mirrored:
                corners[:, 0] = size[0] - corners[::-1, 0]
            out.append(type(thing)(**{**vars(thing), "box": corners.clip(0, size).reshape(4)}))
        return tuple(sorted(out, key=lambda thing: -thing.box[3]))

    scene = Scene(*size, signs=placed(signs or ()), lights=placed(lights or ()))
    return Frame(np.ascontiguousarray(image.astype(np.uint8)), scene, KNOWN)


def _cropped(things: tuple[Any, ...], x: int, y: int, w: int, h: int) -> tuple[Any, ...] | None:
    """What lies wholly in a crop; None when the crop cuts something in two."""
    kept = []
    for thing in things:
        low, high = thing.box[:2] - (x, y), thing.box[2:] - (x, y)
        inside = (low >= -2).all() and (high <= (w + 2, h + 2)).all()
        outside = (high <= 0).any() or (low >= (w, h)).any()
        if inside:
            kept.append(thing)
        elif not outside:
            return None
    return tuple(kept)


def training_backgrounds(data: Path | None = None) -> Backgrounds:
    """The same photographs without their signs and lights, to be cut as backgrounds. Raises DataError."""
    folder = (data or data_folder()) / "roadsigns" / "images"
    names = sorted(path.name for path in folder.glob("*.jpg"))
    return Backgrounds.load(folder, names, exclude=test_only(), erase=labelled_boxes(data))


def training_photos(data: Path | None = None, most_px: int = 720) -> list[Photo]:
    """Every labelled photograph outside tests/splits.json, at most `most_px` wide. Raises DataError."""
    import hashlib

    folder = (data or data_folder()) / "roadsigns"
    annotations = folder / "annotations.json"
    if not annotations.is_file():
        raise DataError(f"{annotations} is missing: GETOK_DATA must hold roadsigns/annotations.json")
    forbidden, photos = test_only(), []
    for name, entry in json.loads(annotations.read_text()).items():
        path = folder / "images" / name
        if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() in forbidden:
            continue
        image = read_image(path)
        scale = min(1.0, most_px / image.shape[1])
        if scale < 1.0:
            image = np.asarray(cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
        objects = [{**thing, "box": [value * scale for value in thing["box"]]} for thing in entry["objects"]]
        photos.append(labelled(image, objects))
    return photos
