"""One image, a folder of images or a video, read as one stream of RGB frames. Needs no ROS."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from getok_core.errors import ImageError
from getok_core.view import RGB, read_image

os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # a broken file is our one line to say, not FFmpeg's ten

PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".jp2")
"""suffixes of files that count as images in a folder"""


@dataclass(frozen=True, eq=False)
class Frame:
    """One picture of a stream; image is None where it cannot be read, and error then says why."""

    name: str
    """file name in a folder, number in a video"""
    image: RGB | None
    error: str = ""


@dataclass(frozen=True)
class Source:
    """Where frames come from: kind image, folder or video."""

    path: Path
    kind: str
    count: int
    """frames expected; 0 where the video does not say"""
    fps: float

    def __iter__(self) -> Iterator[Frame]:
        """Frames in order. A lone image raises ImageError; an unreadable one among many arrives as a Frame's error."""
        if self.kind == "video":
            yield from self._video()
        elif self.kind == "image":
            yield Frame(self.path.name, read_image(self.path))
        else:
            for path in _pictures(self.path):
                try:
                    yield Frame(path.name, read_image(path))
                except ImageError as error:
                    yield Frame(path.name, None, str(error))

    def _video(self) -> Iterator[Frame]:
        video = _open_video(self.path)
        number = 0
        try:
            while True:
                good, image = video.read()
                if not good:
                    break
                yield Frame(str(number), np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8))
                number += 1
        finally:
            video.release()
        if number == 0:
            raise ImageError(f"video {self.path} holds no frame that can be decoded: give a readable video")
        if number < self.count - 2:  # containers round; more than two missing frames are a cut file
            says = f"video {self.path} ends after {number} of the {self.count} frames it announces: it is cut off"
            yield Frame(str(number), None, says)


def open_source(path: Path | str) -> Source:
    """Looks at what path is, without decoding it all. Raises ImageError in one line where it holds nothing to see."""
    path = Path(path)
    if not path.exists():
        raise ImageError(f"{path} does not exist: give an image, a folder of images or a video")
    if path.is_dir():
        count = len(_pictures(path))
        if not count:
            raise ImageError(f"folder {path} holds no image ({', '.join(PICTURES[:4])}, ..): give one that does")
        return Source(path, "folder", count, 5.0)
    if path.suffix.lower() in PICTURES or _is_picture(path):
        return Source(path, "image", 1, 1.0)
    video = _open_video(path)
    count, fps = int(video.get(cv2.CAP_PROP_FRAME_COUNT)), float(video.get(cv2.CAP_PROP_FPS))
    video.release()
    return Source(path, "video", max(count, 0), fps if 0.1 < fps < 1000 else 10.0)


def _pictures(folder: Path) -> list[Path]:
    """Its images by name; comma10k's masks lie beside their images and are labels, not frames."""
    found = (path for path in folder.iterdir() if path.suffix.lower() in PICTURES and path.is_file())
    return sorted(path for path in found if not path.stem.endswith(".mask"))


def _is_picture(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4)[:3] in (b"\xff\xd8\xff", b"\x89PN")


def _open_video(path: Path) -> cv2.VideoCapture:
    level = cv2.getLogLevel() if hasattr(cv2, "getLogLevel") else None
    if level is not None:
        cv2.setLogLevel(0)
    try:
        video = cv2.VideoCapture(str(path))
    finally:
        if level is not None:
            cv2.setLogLevel(level)
    if not video.isOpened():
        raise ImageError(f"{path} is neither an image nor a video that can be decoded: give a JPEG, PNG or MP4")
    return video
