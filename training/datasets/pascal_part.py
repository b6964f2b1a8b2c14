"""PASCAL-Part: the folder Annotations_Part of MATLAB files, one a picture of VOC 2010: masks of objects and parts.

Each kind of part of a class is one question: "Segment every handlebar of a bicycle"; so is each class. The set's short
names of parts (`lfleg`, `bliplate`) are spelled out; numbered ones (`wheel_2`) are one kind. Pictures are JPEGImages/.
Needs scipy, which the training extra brings. VLPart's `train.json` of the same set, with names such as `dog:leg`, is
read too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from getok_core.errors import DataError

from .categories import every
from .paco_lvis import of_parts
from .pixel_maps import object_of
from .sample import Sample
from .source import Source
from .wording import label_of

CLASSES = {"aeroplane": "airplane", "diningtable": "dining table", "motorbike": "motorcycle",
           "pottedplant": "potted plant", "tvmonitor": "television"}  # fmt: skip
STEMS = {
    "ear": "ear", "eye": "eye", "ebrow": "eyebrow", "horn": "horn", "wing": "wing", "leg": "leg", "foot": "foot",
    "hand": "hand", "pa": "paw", "ho": "hoof", "uleg": "upper leg", "lleg": "lower leg", "uarm": "upper arm",
    "larm": "lower arm", "wheel": "wheel", "liplate": "license plate", "mirror": "mirror", "side": "side",
}  # fmt: skip
SIDES = {"l": "left", "r": "right", "f": "front", "b": "back", "lf": "left front", "rf": "right front",
         "lb": "left back", "rb": "right back", "left": "left", "right": "right", "front": "front", "back": "back",
         "roof": "roof", "h": "", "c": ""}  # fmt: skip
"""before a stem; h and c stand before the sides of a train's head and of its coaches"""
WHOLE = ("head", "hair", "coach", "cap", "chainwheel", "handlebar", "headlight", "engine", "stern", "body", "beak",
         "torso", "neck", "tail", "nose", "muzzle", "mouth", "saddle", "door", "window", "pot", "plant", "screen",
         "wheel")  # fmt: skip
"""names that are words already"""
_SIDED = re.compile(rf"[hc]?({'|'.join(sorted(SIDES, key=len, reverse=True))})({'|'.join(STEMS)})")


def part_name(short: str) -> str:
    """`lfleg` -> left front leg, `wheel_2` -> wheel; what the tables do not hold stays as it is."""
    name = re.sub(r"_\d+$", "", short)
    match = None if name in WHOLE else _SIDED.fullmatch(name)
    return " ".join(filter(None, (SIDES[match[1]], STEMS[match[2]]))) if match else label_of(name)


def convert(source: Source) -> Iterator[Sample]:
    """All files of a folder, or one JSON file. Raises DataError when there is none, or scipy is missing."""
    if source.path.suffix == ".json":
        return of_parts(source, "pascal_part")
    files = sorted(source.path.glob("*.mat")) if source.path.is_dir() else []
    if not files:
        raise DataError(f"{source.path} holds no .mat file: give PASCAL-Part's folder Annotations_Part")
    try:
        import scipy.io
    except ImportError:
        raise DataError("reading .mat files needs scipy: pip install 'getok_ros[training]'") from None

    def samples(file: Path) -> Iterator[Sample]:
        try:
            annotation = scipy.io.loadmat(file, squeeze_me=True, struct_as_record=False)["anno"]
        except (OSError, NotImplementedError, scipy.io.matlab.MatReadError) as error:
            raise ValueError(f"it is no MATLAB file ({error})") from None
        groups: dict[str, list[dict[str, Any]]] = {}
        size = (0, 0)
        for one in np.atleast_1d(annotation.objects):
            whole = label_of(CLASSES.get(str(one.__dict__["class"]), str(one.__dict__["class"])))
            height, width = _area(one.mask).shape
            size = width, height
            groups.setdefault(whole, []).append(object_of(_area(one.mask), whole))
            for part in np.atleast_1d(one.parts):
                name = part_name(str(part.part_name))
                found = object_of(_area(part.mask), f"{whole} {name}")
                groups.setdefault(f"{name} of a {whole}", []).append(found)
        image = f"JPEGImages/{annotation.imname}.jpg"
        for noun, found in groups.items():
            yield every(image, size, noun, found, f"pascal_part:{annotation.imname}")

    return source.each(((file.name, file) for file in files), samples)


def _area(mask: Any) -> NDArray[np.bool_]:
    """A mask of zeros and ones (H, W) -> bool. Raises ValueError."""
    area = np.asarray(mask)
    if area.ndim != 2 or area.dtype.kind not in "ub":
        raise ValueError(f"a mask is (H, W) of whole numbers, got {area.shape} {area.dtype}")
    return area > 0
