"""Camera messages become the right RGB: against hand-computed pixels, rosbags-image, and padded against plain rows."""

from __future__ import annotations

from array import array
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rosbags.image import message_to_cvimage
from sensor_msgs.msg import CompressedImage, Image

from getok_core.errors import ImageError
from getok_ros.images import ENCODINGS, compressed_to_rgb, image_to_rgb, rgb_to_image

BYTES = {name: encoding.channels * encoding.bits // 8 for name, encoding in ENCODINGS.items()}
sizes = st.tuples(st.integers(2, 12), st.integers(2, 9)).map(lambda half: (2 * half[0], 2 * half[1]))


def image(encoding: str, rows: np.ndarray, width: int, big: bool = False) -> SimpleNamespace:
    """rows (H, step) uint8 -> what a sensor_msgs/Image holds."""
    return SimpleNamespace(
        encoding=encoding, width=width, height=rows.shape[0], step=rows.shape[1], is_bigendian=big, data=rows.tobytes()
    )


def noise(encoding: str, size: tuple[int, int], seed: int) -> np.ndarray:
    """(H, W * bytes) uint8 of random samples; size is (width, height)."""
    shape = (size[1], size[0] * BYTES[encoding])
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def one(encoding: str, *samples: int, width: int = 1, big: bool = False) -> list[list[int]]:
    """The RGB pixels of a one-row image."""
    return image_to_rgb(image(encoding, np.array([samples], np.uint8), width, big))[0].tolist()


def test_hand_computed_pixels() -> None:
    assert one("rgb8", 1, 2, 3) == [[1, 2, 3]]
    assert one("bgr8", 1, 2, 3) == [[3, 2, 1]]
    assert one("rgba8", 1, 2, 3, 9) == [[1, 2, 3]]
    assert one("bgra8", 1, 2, 3, 9) == [[3, 2, 1]]
    assert one("mono8", 7) == [[7, 7, 7]]
    assert one("mono16", 0x00, 0x80, 0xFF, 0xFF, width=2) == [[128] * 3, [255] * 3]  # 32768 / 257 = 127.5
    assert one("mono16", 0x80, 0x00, 0x00, 0xFF, width=2, big=True) == [[128] * 3, [1] * 3]  # 255 / 257 = 0.99


def bt601(y: float, u: float, v: float) -> np.ndarray:
    """ITU-R BT.601, limited range, as its matrix stands in the recommendation."""
    luma = 255 / 219 * (y - 16)
    red = luma + 1.402 * 255 / 224 * (v - 128)
    green = luma - (0.114 * 1.772 * (u - 128) + 0.299 * 1.402 * (v - 128)) / 0.587 * 255 / 224
    blue = luma + 1.772 * 255 / 224 * (u - 128)
    return np.clip([red, green, blue], 0, 255)


@given(st.lists(st.integers(16, 235), min_size=4, max_size=4))
def test_yuv_follows_bt601(samples: list[int]) -> None:
    u, y0, v, y1 = samples
    expected = [bt601(y0, u, v), bt601(y1, u, v)]
    for name in ("yuv422", "uyvy"):
        assert np.abs(np.subtract(one(name, u, y0, v, y1, width=2), expected)).max() <= 1.5
    for name in ("yuv422_yuy2", "yuyv"):
        assert np.abs(np.subtract(one(name, y0, u, y1, v, width=2), expected)).max() <= 1.5


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("pattern", ["rggb", "bggr", "gbrg", "grbg"])
def test_bayer_mosaic_of_one_colour_gives_that_colour(pattern: str, bits: int) -> None:
    """The name spells the upper left 2 x 2 pixels, row by row."""
    colour = {"r": 200, "g": 100, "b": 50}
    tile = np.array([colour[letter] for letter in pattern], np.uint8).reshape(2, 2)
    mosaic = np.tile(tile, (3, 4))
    rows = mosaic if bits == 8 else (mosaic.astype(np.uint16) * 257).view(np.uint8)
    rgb = image_to_rgb(image(f"bayer_{pattern}{bits}", rows, 8))
    assert rgb.reshape(-1, 3).tolist() == [[200, 100, 50]] * 48


@pytest.mark.parametrize("encoding", ["rgb8", "bgr8", "rgba8", "bgra8", "mono8"])
@given(size=sizes, seed=st.integers(0, 99))
def test_unpadded_8_bit_images_agree_with_rosbags_image(encoding: str, size: tuple[int, int], seed: int) -> None:
    message = image(encoding, noise(encoding, size, seed), size[0])
    message.data, message.__msgtype__ = np.frombuffer(message.data, np.uint8), "sensor_msgs/msg/Image"
    assert np.array_equal(image_to_rgb(message), message_to_cvimage(message, "rgb8"))


@given(size=sizes, seed=st.integers(0, 99))
def test_16_bits_are_scaled_exactly(size: tuple[int, int], seed: int) -> None:
    rows = noise("mono16", size, seed)
    expected = np.round(rows.view("<u2").astype(np.float64) * 255 / 65535).astype(np.uint8)
    assert np.array_equal(image_to_rgb(image("mono16", rows, size[0]))[:, :, 0], expected)


@pytest.mark.parametrize("encoding", ENCODINGS)
@given(size=sizes, pad=st.integers(1, 70), seed=st.integers(0, 99))
def test_padding_changes_nothing(encoding: str, size: tuple[int, int], pad: int, seed: int) -> None:
    rows = noise(encoding, size, seed)
    padded = np.pad(rows, ((0, 0), (0, pad)), constant_values=222)
    rgb = image_to_rgb(image(encoding, padded, size[0]))
    assert np.array_equal(rgb, image_to_rgb(image(encoding, rows, size[0])))
    assert rgb.shape == (size[1], size[0], 3)
    assert rgb.dtype == np.uint8
    assert rgb.flags.c_contiguous


@pytest.mark.parametrize("encoding", [name for name, encoding in ENCODINGS.items() if encoding.bits == 16])
@given(size=sizes, seed=st.integers(0, 99))
def test_byte_order_changes_nothing(encoding: str, size: tuple[int, int], seed: int) -> None:
    little = noise(encoding, size, seed)
    big = little.view(np.uint16).byteswap().view(np.uint8)
    assert np.array_equal(
        image_to_rgb(image(encoding, big, size[0], big=True)), image_to_rgb(image(encoding, little, size[0]))
    )


@given(
    encoding=st.sampled_from([*ENCODINGS, "", "8UC3", "32FC1"]),
    width=st.integers(0, 40) | st.just(2**32 - 1),
    height=st.integers(0, 40) | st.just(2**32 - 1),
    step=st.integers(0, 200),
    length=st.integers(0, 4000),
    fits=st.booleans(),
)
def test_any_image_is_either_read_or_refused_in_one_line(
    encoding: str, width: int, height: int, step: int, length: int, fits: bool
) -> None:
    data = bytes(step * height if fits and height < 100 else length)
    message = SimpleNamespace(encoding=encoding, width=width, height=height, step=step, is_bigendian=0, data=data)
    try:
        rgb = image_to_rgb(message)
    except ImageError as error:
        assert "\n" not in str(error)
        assert ":" in str(error)
    else:
        assert rgb.shape == (height, width, 3)


def test_an_unpadded_rgb_image_shares_the_memory_of_its_message() -> None:
    message = Image(encoding="rgb8", width=4, height=2, step=12, data=array("B", range(24)))
    rgb = image_to_rgb(message)
    message.data[0] = 99
    assert rgb[0, 0, 0] == 99


def test_rgb_to_image_and_back() -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    message = rgb_to_image(rgb[:, ::-1])
    assert (message.width, message.height, message.step, message.encoding) == (7, 5, 21, "rgb8")
    assert np.array_equal(image_to_rgb(message), rgb[:, ::-1])
    with pytest.raises(ImageError, match="convert it first"):
        rgb_to_image(rgb.astype(np.float32))


def encoded(suffix: str) -> bytes:
    rows = np.arange(40)[:, None] * 2 + np.arange(60)
    return cv2.imencode(suffix, np.stack([rows, rows + 40, 200 - rows], 2).astype(np.uint8))[1].tobytes()


def test_png_is_exact_and_jpeg_is_close() -> None:
    rows = np.arange(40)[:, None] * 2 + np.arange(60)
    rgb = np.stack([200 - rows, rows + 40, rows], 2)
    for form, suffix, error in (("png", ".png", 0), ("rgb8; jpeg compressed bgr8", ".jpg", 6)):
        got = compressed_to_rgb(CompressedImage(format=form, data=encoded(suffix)))
        assert np.abs(got.astype(int) - rgb).max() <= error


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
@given(share=st.floats(0.0, 0.98))
def test_a_cut_off_file_is_refused(suffix: str, share: float) -> None:
    data = encoded(suffix)
    with pytest.raises(ImageError):
        compressed_to_rgb(SimpleNamespace(format=suffix[1:], data=data[: int(len(data) * share)]))


@given(st.binary(max_size=300), st.sampled_from([b"", b"\xff\xd8", b"\xff\xd8\xff\xc0", b"\x89PNG\r\n\x1a\n"]))
def test_any_bytes_are_either_read_or_refused(tail: bytes, head: bytes) -> None:
    with pytest.raises(ImageError):
        compressed_to_rgb(SimpleNamespace(format="jpeg", data=head + tail))


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_a_file_that_claims_to_be_huge_is_refused_before_it_is_decoded(suffix: str) -> None:
    data = bytearray(encoded(suffix))
    if suffix == ".png":
        data[16:24] = (60000).to_bytes(4, "big") * 2
    else:
        frame = data.index(b"\xff\xc0")
        data[frame + 5 : frame + 9] = (60000).to_bytes(2, "big") * 2
    with pytest.raises(ImageError, match="60000 x 60000 pixels: at most"):
        compressed_to_rgb(SimpleNamespace(format="", data=bytes(data)))
