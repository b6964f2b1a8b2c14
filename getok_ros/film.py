"""Where overlays go: one picture, a folder of pictures, or an H.264 film that any browser plays. Needs no ROS.

OpenCV's wheels encode no H.264 (their mp4v plays in no browser, their VP9 took 270 ms a frame where H.264 took 17), so
films are written through PyAV, imported only then.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import cv2

from getok_core.errors import GetokError, ImageError
from getok_core.view import RGB, write_image

FILMS = (".mp4", ".m4v", ".mov", ".mkv")


class Pictures:
    """Writes one picture to a file, or each frame under its name into a folder."""

    def __init__(self, path: Path, one: bool) -> None:
        self.path, self.one = path, one
        if one:
            _check_parent(path)
            if not cv2.haveImageWriter(path.name):
                raise ImageError(f"overlay {path} has no suffix of an image: name it .png or .jpg")
        else:
            make_folder(path)

    def write(self, name: str, image: RGB) -> None:
        """Encodes and saves (H, W, 3) RGB. Raises ImageError when the place cannot be written."""
        path = self.path if self.one else self.path / f"{Path(name).stem}.png"
        write_image(path, image)

    def close(self) -> None:
        """Nothing is pending."""

    def __enter__(self) -> Pictures:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Film:
    """An H.264 film; the first frame sets its size, later ones of another size are scaled to it."""

    def __init__(self, path: Path, fps: float) -> None:
        _check_parent(path)
        self.path, self.fps = path, Fraction(fps).limit_denominator(1001)
        self._av, self._container, self._stream = _import_av(path), None, None

    def write(self, name: str, image: RGB) -> None:
        """Appends (H, W, 3) RGB. Raises GetokError when the file cannot be written."""
        if self._stream is None:
            self._open(image)
        size = (self._stream.width, self._stream.height)
        if image.shape[1::-1] != size:
            image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        self._encode(self._av.VideoFrame.from_ndarray(image, format="rgb24"))

    def _open(self, image: RGB) -> None:
        try:
            self._container = self._av.open(str(self.path), "w", options={"movflags": "faststart"})
        except OSError as error:
            raise GetokError(f"cannot write {self.path}: {error.strerror}; choose another place") from None
        options = {"preset": "veryfast", "crf": "21"}
        self._stream: Any = self._container.add_stream("libx264", rate=self.fps, options=options)
        self._stream.width, self._stream.height = (max(2, side // 2 * 2) for side in image.shape[1::-1])
        self._stream.pix_fmt = "yuv420p"  # the one layout every browser decodes; it needs even sides

    def _encode(self, frame: Any, container: Any = None) -> None:
        try:
            (container or self._container).mux(self._stream.encode(frame))
        except OSError as error:
            raise GetokError(f"cannot write {self.path}: {error.strerror}; is the disk full?") from None

    def close(self) -> None:
        """Writes what the encoder still holds; a film without a frame leaves no file."""
        if self._container is not None:
            container, self._container = self._container, None
            with container:
                self._encode(None, container)

    def __enter__(self) -> Film:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def open_overlay(path: Path | str, kind: str, fps: float = 10.0) -> Pictures | Film:
    """A picture for one image; for a folder or video a film, or a folder of pictures where path has no suffix."""
    path = Path(path)
    if kind == "image":
        return Pictures(path, one=True)
    if path.suffix.lower() in FILMS:
        return Film(path, fps)
    if path.suffix:
        raise GetokError(f"overlay {path} of many frames is a film or a folder: name it .mp4, or give no suffix")
    return Pictures(path, one=False)


def _import_av(path: Path) -> Any:
    try:
        import av
    except ImportError:
        remedy = "pip install av (the extra film), or name a folder for pictures"
        raise GetokError(f"writing {path} needs PyAV: {remedy}") from None
    return av


def _check_parent(path: Path) -> None:
    if not path.parent.is_dir():
        raise GetokError(f"folder {path.parent} of {path.name} does not exist: create it or choose another")


def make_folder(path: Path) -> None:
    """Creates a folder and those above it. Raises GetokError when something stands in the way."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise GetokError(f"cannot create folder {path}: {error.strerror}; choose another place") from None
