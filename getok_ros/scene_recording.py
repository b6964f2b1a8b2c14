"""A bag of what was said: the images, our messages and, for Foxglove, the drawing over each image. Needs no ROS."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

from getok_core.errors import GetokError
from getok_core.overlay import text_of
from getok_core.view import RGB

from .bag_scenes import answer_to_record, scene_to_record
from .bags import BagWriter
from .foxglove import image_annotations
from .progress import bar
from .replayed import Replayed

BAG = "scenes"
LABELS = "labels"
"""the name of what the labels say, beside those of the models"""


def record(out: Path | str, frames: Callable[[str], RGB | None], storage: str = "mcap") -> Path:
    """Writes the bag scenes/ and returns it; an earlier one is replaced.

    <camera>/compressed holds the frames; /<model>/scene, /<model>/annotations and /<model>/answers what each model
    said, /labels/scene what the labels say; with several cameras the camera's name comes before these. frames: name of
    a frame -> (H, W, 3) RGB, or None where it cannot be read: what was said is still written. Raises GetokError in one
    line.
    """
    run = Replayed(out)
    path = run.out / BAG
    _clear(path)
    names = _topics(run)
    with BagWriter(path, storage) as bag:
        for moment in bar(run.frames, f"{BAG} (bag)", len(run.frames)):
            stamp, (image_topic, prefix) = run.time_ns(moment), names[moment.camera]
            image = frames(moment.frame)
            if image is not None:
                bag.write(image_topic, image, stamp)
            said = {model: run.scene(moment.frame, model) for model in run.models}
            for name, scene in {**said, LABELS: run.truth(moment.frame)}.items():
                topic = f"{prefix}/{_spelled(name)}"
                if scene is not None:
                    bag.write_message(f"{topic}/scene", scene_to_record(scene, stamp), stamp)
                    bag.write_message(f"{topic}/annotations", image_annotations(scene, stamp), stamp)
                for query, answer in run.answers(moment.frame, name):
                    bag.write_message(f"{topic}/answers", answer_to_record(text_of(query), answer, stamp), stamp)
    return path


def _topics(run: Replayed) -> dict[str, tuple[str, str]]:
    """Camera -> topic of its images, and what its models' topics begin with: nothing where there is one camera."""
    found: dict[str, tuple[str, str]] = {}
    sources = {camera.partition("#")[0] for camera in run.cameras}
    for camera, moments in run.cameras.items():
        own = "/" + re.sub("/?compressed$", "", moments[0].topic.strip("/") or "camera/image")
        base = own if len(sources) == 1 else f"/{_spelled(camera.partition('#')[0])}{own}"
        found[camera] = f"{base}/compressed", base if len(run.cameras) > 1 else ""
    return found


def _spelled(title: str) -> str:
    """A model or source as part of a ROS name, which begins with a letter."""
    name = re.sub("[^0-9A-Za-z]+", "_", title).strip("_").lower()
    return name if name[:1].isalpha() else f"n_{name}"


def _clear(path: Path) -> None:
    if path.exists() and not (path / "metadata.yaml").is_file():
        raise GetokError(f"{path} exists and is no bag: move it away, the recording of the scenes goes there")
    shutil.rmtree(path, ignore_errors=True)
