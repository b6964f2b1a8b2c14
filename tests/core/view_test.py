"""The view: geometry comes back exactly, resizing gives the model's size, unreadable images are one clear error."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from getok_core.errors import ImageError
from getok_core.view import View, check_image, decode_image, read_image, write_image
from tests.core.strategies import fractions_anywhere, sizes

PICTURE = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)


def encoded(extension: str, rgb: np.ndarray = PICTURE) -> np.ndarray:
    done, raw = cv2.imencode(extension, rgb[..., ::-1])
    assert done
    return raw


@given(sizes, sizes, fractions_anywhere)
def test_geometry_comes_back_exactly(size, model, fractions):
    view, xy = View(size, model), fractions * size
    np.testing.assert_allclose(view.to_image(view.to_model(xy)), xy, rtol=0, atol=1e-9)
    np.testing.assert_allclose(view.to_model(view.to_image(fractions * model)), fractions * model, rtol=0, atol=1e-9)


def test_corners_map_to_corners():
    view = View((1920, 1080), (512, 288))
    assert view.to_model([[0, 0], [1920, 1080], [960, 540]]).tolist() == [[0, 0], [512, 288], [256, 144]]


@given(st.tuples(st.integers(1, 60), st.integers(1, 60)), st.tuples(st.integers(1, 60), st.integers(1, 60)))
def test_resizing_gives_the_model_s_size(size, model):
    image = np.zeros((size[1], size[0], 3), np.uint8)
    resized = View(size, model).resize(image)
    assert resized.shape == (model[1], model[0], 3)
    assert resized.dtype == np.uint8


@pytest.mark.parametrize("model", [(32, 24), (128, 96), (64, 48)])
def test_a_thing_stays_where_its_geometry_says(model):
    image = np.zeros((48, 64, 3), np.uint8)
    image[24:36, 16:32] = 255
    view = View((64, 48), model)
    (left, top), (right, bottom) = np.round(view.to_model([[16, 24], [32, 36]])).astype(int)
    bright = np.argwhere(view.resize(image)[..., 0] > 127)
    assert bright.min(axis=0).tolist() == [top, left]
    assert (bright.max(axis=0) + 1).tolist() == [bottom, right]


def test_an_image_of_the_model_s_size_is_not_touched():
    assert View((64, 48), (64, 48)).resize(PICTURE) is PICTURE


def test_a_good_image_passes():
    assert check_image(PICTURE) is PICTURE
    assert check_image(np.zeros((1, 1, 3), np.uint8)).shape == (1, 1, 3)


@pytest.mark.parametrize(
    "bad",
    [
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((4, 4, 3), np.float32),
        np.zeros((0, 4, 3), np.uint8),
        np.zeros((4, 0, 3), np.uint8),
    ],
)
def test_what_is_no_image_is_refused(bad):
    with pytest.raises(ImageError, match=r"\(H, W, 3\) uint8 RGB, got .*: convert it first"):
        check_image(bad)


@pytest.mark.parametrize("extension", [".png", ".bmp"])
def test_lossless_files_come_back_red_first(tmp_path, extension):
    path = tmp_path / f"picture{extension}"
    path.write_bytes(encoded(extension).tobytes())
    np.testing.assert_array_equal(read_image(path), PICTURE)
    assert read_image(str(path)).flags.c_contiguous


def test_a_jpeg_comes_back_red_first():
    red = np.zeros((16, 16, 3), np.uint8)
    red[..., 0] = 250
    back = decode_image(encoded(".jpg", red), "red.jpg")
    assert back[..., 0].min() > 240
    assert back[..., 1:].max() < 15


def test_grey_and_transparent_files_become_rgb():
    grey = cv2.imencode(".png", PICTURE[..., 0])[1]
    assert decode_image(grey, "grey").shape == (48, 64, 3)
    clear = cv2.imencode(".png", np.dstack([PICTURE, PICTURE[..., 0]]))[1]
    assert decode_image(clear, "clear").shape == (48, 64, 3)


@pytest.mark.parametrize("kept", [3, 20, 200, 600, -1])
@pytest.mark.parametrize("extension", [".jpg", ".png"])
def test_a_file_that_is_cut_off_is_an_error(extension, kept):
    raw = encoded(extension)
    with pytest.raises(ImageError, match=r"cut off|no image"):
        decode_image(raw[: len(raw) // 2 if kept == -1 else kept], "cut")


def test_a_jpeg_without_its_last_bytes_is_cut_off():
    with pytest.raises(ImageError, match=r"image front.jpg is cut off: no end of JPEG in its \d+ bytes; copy it again"):
        decode_image(encoded(".jpg")[:-2], "front.jpg")


def test_what_is_written_is_read_and_a_place_that_cannot_be_written_is_one_line(tmp_path):
    write_image(tmp_path / "one.png", PICTURE)
    np.testing.assert_array_equal(read_image(tmp_path / "one.png"), PICTURE)
    for quality in (30, 90):
        write_image(tmp_path / f"{quality}.jpg", PICTURE, quality)
    assert (tmp_path / "30.jpg").stat().st_size < (tmp_path / "90.jpg").stat().st_size
    for name, why in (("no/one.png", "existing folder"), ("one.txt", "name it .png or .jpg"), ("one", "name it .png")):
        with pytest.raises(ImageError, match=f"cannot write .*{why}"):
            write_image(tmp_path / name, PICTURE)


@pytest.mark.parametrize("raw", [b"hello, this is text\n" * 9, b"\x00" * 100, b"\xff\xd8 nonsense \xff\xd9"])
def test_bytes_that_are_no_image_are_an_error(raw):
    with pytest.raises(ImageError, match=r"image note.txt is no image that can be decoded"):
        decode_image(np.frombuffer(raw, np.uint8), "note.txt")


def test_files_that_cannot_be_read_are_named(tmp_path):
    (tmp_path / "empty.png").touch()
    with pytest.raises(ImageError, match=r"empty\.png is empty \(0 bytes\)"):
        read_image(tmp_path / "empty.png")
    with pytest.raises(ImageError, match=r"cannot read image .*missing\.png: No such file"):
        read_image(tmp_path / "missing.png")
    with pytest.raises(ImageError, match=r"cannot read image .*: Is a directory"):
        read_image(tmp_path)


@given(st.binary(max_size=200))
def test_arbitrary_bytes_give_an_image_or_an_image_error(raw):
    try:
        assert decode_image(np.frombuffer(raw, np.uint8), "noise").ndim == 3
    except ImageError as error:
        assert "\n" not in str(error)
