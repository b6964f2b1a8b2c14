"""Camera messages -> RGB, and RGB -> messages. Every row is read at its `step`; what contradicts itself is refused.

Any object with the fields of sensor_msgs/Image or CompressedImage will do: no rclpy is needed to read one.
"""

from __future__ import annotations

import sys
from array import array
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from getok_core.errors import ImageError
from getok_core.view import decode_image

RGB = NDArray[np.uint8]
"""(H, W, 3) uint8, red first, C-contiguous"""

MAX_PIXELS, MAX_FRAME_ID = 2**26, 255
"""larger images, and those whose frame has a longer name, are refused before anything is decoded"""


class Encoding(NamedTuple):
    """How the bytes of a pixel become RGB."""

    channels: int
    bits: int = 8
    convert: int | None = None
    """OpenCV conversion code; None: the bytes are RGB already"""
    multiple: tuple[int, int] = (1, 1)
    """width and height of the smallest group of pixels that has a colour"""
    least: int = 1
    """shortest side that can be converted"""


def _bayer(convert: int) -> tuple[Encoding, Encoding]:
    return Encoding(1, 8, convert, (2, 2), 4), Encoding(1, 16, convert, (2, 2), 4)


_UYVY = Encoding(2, 8, cv2.COLOR_YUV2RGB_UYVY, (2, 1))
_YUYV = Encoding(2, 8, cv2.COLOR_YUV2RGB_YUY2, (2, 1))
_RGGB, _BGGR = _bayer(cv2.COLOR_BayerRGGB2RGB), _bayer(cv2.COLOR_BayerBGGR2RGB)
_GBRG, _GRBG = _bayer(cv2.COLOR_BayerGBRG2RGB), _bayer(cv2.COLOR_BayerGRBG2RGB)

ENCODINGS: dict[str, Encoding] = {
    "rgb8": Encoding(3),
    "bgr8": Encoding(3, 8, cv2.COLOR_BGR2RGB),
    "rgba8": Encoding(4, 8, cv2.COLOR_RGBA2RGB),
    "bgra8": Encoding(4, 8, cv2.COLOR_BGRA2RGB),
    "mono8": Encoding(1, 8, cv2.COLOR_GRAY2RGB),
    "mono16": Encoding(1, 16, cv2.COLOR_GRAY2RGB),
    "yuv422": _UYVY,
    "uyvy": _UYVY,
    "yuv422_yuy2": _YUYV,
    "yuyv": _YUYV,
    "bayer_rggb8": _RGGB[0],
    "bayer_bggr8": _BGGR[0],
    "bayer_gbrg8": _GBRG[0],
    "bayer_grbg8": _GRBG[0],
    "bayer_rggb16": _RGGB[1],
    "bayer_bggr16": _BGGR[1],
    "bayer_gbrg16": _GBRG[1],
    "bayer_grbg16": _GRBG[1],
}
"""name in sensor_msgs/image_encodings -> how to read it. YUV is BT.601 of limited range; 16 bits are scaled to 8."""


def frame_to_rgb(message: Any) -> RGB:
    """What a camera sent, sensor_msgs/Image or CompressedImage -> (H, W, 3) uint8 RGB. Raises ImageError."""
    if len(message.header.frame_id) > MAX_FRAME_ID:
        length = len(message.header.frame_id)
        raise ImageError(f"image frame_id has {length} characters: at most {MAX_FRAME_ID} are taken; fix the driver")
    return image_to_rgb(message) if hasattr(message, "step") else compressed_to_rgb(message)


def image_to_rgb(message: Any) -> RGB:
    """sensor_msgs/Image -> (H, W, 3) uint8 RGB; rgb8 without padding shares the message's memory.

    Raises ImageError when the encoding is unknown or size, step and length do not fit together.
    """
    encoding = ENCODINGS.get(message.encoding)
    if encoding is None:
        raise ImageError(f"image encoding {message.encoding[:80]!r} is unknown: publish one of {', '.join(ENCODINGS)}")
    pixels = _pixels(message, encoding)
    if encoding.convert is None:
        return np.ascontiguousarray(pixels)
    rgb = cv2.cvtColor(np.ascontiguousarray(pixels), encoding.convert)
    if encoding.bits == 16:
        rgb = cv2.convertScaleAbs(rgb, alpha=255 / 65535)
    return np.asarray(rgb, np.uint8)


def _pixels(message: Any, encoding: Encoding) -> NDArray[Any]:
    """The message's samples, (H, W) or (H, W, C), native byte order, padding cut off. Raises ImageError."""
    width, height, step = int(message.width), int(message.height), int(message.step)
    _check_size(width, height)
    across, down = encoding.multiple
    if width % across or height % down or min(width, height) < encoding.least:
        raise ImageError(
            f"image is {width} x {height} pixels of {message.encoding}: width must be a multiple of {across}, height of"
            f" {down}, both at least {encoding.least}"
        )
    data = _bytes(message.data)
    row = width * encoding.channels * encoding.bits // 8
    if step < row:
        raise ImageError(
            f"image step is {step}, but {width} pixels of {message.encoding} take {row} bytes: fix the driver"
        )
    if data.size != step * height:
        raise ImageError(
            f"image has {data.size} bytes, but step {step} x height {height} is {step * height}: fix the driver"
        )
    rows = data.reshape(height, step)[:, :row]
    if encoding.bits == 16:
        rows = np.ascontiguousarray(rows).view(np.uint16)
        if bool(message.is_bigendian) != (sys.byteorder == "big"):
            rows = rows.byteswap()
    return rows if encoding.channels == 1 else rows.reshape(height, width, encoding.channels)


def compressed_to_rgb(message: Any) -> RGB:
    """sensor_msgs/CompressedImage (jpeg or png) -> (H, W, 3) uint8 RGB. Raises ImageError, also on a cut-off file.

    The bytes tell what they are; `format` ("rgb8; jpeg compressed bgr8") only appears in the error.
    """
    data = _bytes(message.data)
    head = data[:8].tobytes()
    name = f"of format {message.format[:80]!r}"
    if head.startswith(b"\xff\xd8"):
        size = _jpeg_size(data.tobytes())
    elif head == b"\x89PNG\r\n\x1a\n":
        size = _png_size(data)
    else:
        raise ImageError(f"compressed image {name} is neither jpeg nor png ({data.size} bytes): publish one of these")
    if size is None:
        raise ImageError(f"image {name} is cut off or damaged ({data.size} bytes): check the camera's cable or driver")
    _check_size(*size)
    return np.ascontiguousarray(decode_image(data, name))


def _check_size(width: int, height: int) -> None:
    if width < 1 or height < 1:
        raise ImageError(f"image is {width} x {height} pixels: both sides must be at least 1")
    if width * height > MAX_PIXELS:
        raise ImageError(f"image is {width} x {height} pixels: at most {MAX_PIXELS} are taken; publish a smaller one")


def _bytes(data: Any) -> NDArray[np.uint8]:
    """uint8[] as a message holds it (array, bytes, ndarray: shared; list: copied) -> (N,) uint8."""
    try:
        return np.frombuffer(data, np.uint8) if len(data) else np.empty(0, np.uint8)
    except (TypeError, ValueError):
        return np.asarray(data, np.uint8).reshape(-1)


def _png_size(data: NDArray[np.uint8]) -> tuple[int, int] | None:
    """Width and height of a whole PNG file, None when it is cut off."""
    if data.size < 45 or b"IEND" not in data[-64:].tobytes():
        return None
    width, height = np.frombuffer(data[16:24].tobytes(), ">u4")
    return int(width), int(height)


def _jpeg_size(raw: bytes) -> tuple[int, int] | None:
    """Width and height from the frame header of a JPEG file, None when there is none."""
    at = 2
    while at + 9 <= len(raw):
        if raw[at] != 0xFF:
            return None
        marker = raw[at + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return int.from_bytes(raw[at + 7 : at + 9], "big"), int.from_bytes(raw[at + 5 : at + 7], "big")
        if marker == 0xFF:
            at += 1
        elif marker == 0x01 or 0xD0 <= marker <= 0xD8:
            at += 2
        else:
            at += 2 + int.from_bytes(raw[at + 2 : at + 4], "big")
    return None


def rgb_to_image(rgb: RGB, header: Any = None) -> Any:
    """(H, W, 3) uint8 RGB -> sensor_msgs/Image rgb8, with this std_msgs/Header. Raises ImageError on another shape."""
    if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3:
        raise ImageError(f"a picture to publish is (H, W, 3) uint8 RGB, got {rgb.shape} {rgb.dtype}: convert it first")
    return _message(rgb, "rgb8", header)


def mask_to_image(mask: NDArray[np.bool_], header: Any = None) -> Any:
    """(H, W) bool -> sensor_msgs/Image mono8, 255 where True, with this std_msgs/Header."""
    return _message(np.where(mask, np.uint8(255), np.uint8(0)), "mono8", header)


def _message(pixels: NDArray[np.uint8], encoding: str, header: Any) -> Any:
    """(H, W) or (H, W, C) uint8 -> sensor_msgs/Image without padding."""
    from sensor_msgs.msg import Image

    height, width = pixels.shape[:2]
    step = pixels.size // height
    message = Image(height=height, width=width, step=step, encoding=encoding, is_bigendian=0)
    if header is not None:
        message.header = header
    data = array("B")
    data.frombytes(memoryview(np.ascontiguousarray(pixels)).cast("B"))  # 100 times faster than handing over the array
    message.data = data
    return message
