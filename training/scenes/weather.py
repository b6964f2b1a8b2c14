"""What air, light, lens and sensor do to a drawn frame: fog, night, rain, glare, blur, noise, colour, compression."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from .canvas import Canvas, plain
from .mood import Mood
from .signs import Board
from .texture import GroundMap, grain
from .things import Frame


def air(canvas: Canvas, ground: GroundMap, mood: Mood) -> None:
    """Fade the ground into the haze by distance; things that stand on it fade as they are drawn."""
    if mood.visibility > 850:
        return
    share = np.where(ground.below, 1 - np.exp(-np.maximum(ground.z - 5, 0) / mood.visibility), 0.0)
    mask = cv2.resize((share * 255).astype(np.uint8), canvas.image.shape[1::-1])
    over = cv2.merge([mask] * 3)
    sheet = plain(canvas.image, mood.haze)
    cv2.add(
        cv2.multiply(canvas.image, cv2.bitwise_not(over), scale=1 / 255),
        cv2.multiply(sheet, over, scale=1 / 255),
        canvas.image,
    )


def night(rng: np.random.Generator, frame: Frame, ground: GroundMap) -> None:
    """Leave only what headlights and street lamps reach: near things show, and signs throw the light back."""
    canvas, mood = frame.canvas, frame.mood
    if mood.name != "night":
        return
    base = rng.uniform(0.07, 0.3)
    beam = np.exp(-np.abs(ground.x) / (2.0 + 0.12 * ground.z)) * np.clip(ground.z / 6, 0.25, 1)
    beam = beam * np.exp(-ground.z / rng.uniform(20, 50)) * rng.uniform(0.8, 1.4)
    light = np.where(ground.below, base + beam, base * 1.5)
    factor = cv2.resize(np.clip(light * 255, 0, 255).astype(np.uint8), canvas.image.shape[1::-1])
    least = np.zeros(256, np.uint8)
    least[2:] = int(255 * min(1.0, base * 1.3 + 0.05))
    for ident, named in frame.named.items():
        share, reach = (0.75, 90.0) if isinstance(named.what, Board) else (0.5, 25.0)
        least[ident] = max(least[ident], int(255 * share * np.exp(-named.distance_m / reach)))
    factor = cv2.max(factor, cv2.LUT(canvas.ids, least))
    canvas.image[:] = cv2.multiply(canvas.image, cv2.merge([factor] * 3), scale=1 / 255)


def lamps(canvas: Canvas, mood: Mood) -> None:
    """Draw lamps that are not hidden, with a halo in the dark."""
    height, width = canvas.ids.shape
    reach = 3.2 if mood.name == "night" else 1.6
    for x, y, size, colour, ident in canvas.glows:
        if not (0 <= x < width and 0 <= y < height) or canvas.ids[int(y), int(x)] != ident:
            continue
        radius = float(np.clip(size, 0.6, 0.08 * height))
        span = int(np.ceil(radius * reach)) + 1
        rows = slice(max(0, int(y) - span), min(height, int(y) + span + 1))
        columns = slice(max(0, int(x) - span), min(width, int(x) + span + 1))
        far = (
            np.hypot(
                np.arange(columns.start, columns.stop)[None] + 0.5 - x,
                np.arange(rows.start, rows.stop)[:, None] + 0.5 - y,
            )
            / radius
        )
        glow = np.clip(1.3 - far, 0, 1) + (0.35 * np.exp(-far) if mood.dark else 0)
        patch = canvas.image[rows, columns].astype(np.float32)
        glow = np.minimum(glow, 1)[..., None]
        canvas.image[rows, columns] = (patch * (1 - glow) + np.array(colour, np.float32) * glow).astype(np.uint8)


def rain(rng: np.random.Generator, image: NDArray[np.uint8], mood: Mood) -> None:
    """Streaks or flakes in the air, and now and then drops on the glass."""
    height, width = image.shape[:2]
    if mood.name not in ("rain", "snow"):
        return
    slant = rng.uniform(-0.3, 0.3)
    layer = np.zeros((height, width), np.uint8)
    for _ in range(int(rng.integers(20, 140))):
        x, y = rng.uniform(0, width), rng.uniform(0, height)
        if mood.name == "rain":
            tall = rng.uniform(0.02, 0.1) * height
            cv2.line(
                layer,
                (int(x), int(y)),
                (int(x + slant * tall), int(y + tall)),
                int(rng.integers(30, 110)),
                1,
                cv2.LINE_AA,
            )
        else:
            cv2.circle(layer, (int(x), int(y)), int(rng.integers(0, 3)), int(rng.integers(60, 220)), -1, cv2.LINE_AA)
    cv2.add(image, cv2.merge([cv2.blur(layer, (2, 2))] * 3), image)
    if rng.random() < 0.4:
        soft = cv2.blur(image, (9, 9))
        mask = np.zeros((height, width), np.uint8)
        for _ in range(int(rng.integers(3, 30))):
            cv2.ellipse(
                mask,
                (int(rng.uniform(0, width)), int(rng.uniform(0, height))),
                (int(rng.integers(2, 8)), int(rng.integers(2, 8))),
                0,
                0,
                360,
                255,
                -1,
            )
        cv2.copyTo(soft, mask, image)


def low_sun(canvas: Canvas, mood: Mood) -> None:
    """A sun low ahead that blinds: a disc of light and a veil around it, over everything."""
    if not mood.backlit:
        return
    azimuth, elevation = mood.sun
    far = np.array([np.sin(azimuth) * np.cos(elevation), np.sin(elevation), np.cos(azimuth) * np.cos(elevation)])
    (x, y), depth = canvas.camera.project(far * 1000)
    height, width = canvas.ids.shape
    if depth <= 0:
        return
    columns, rows = np.arange(2, width, 4)[None] - x, np.arange(2, height, 4)[:, None] - y
    away = np.hypot(columns, rows) / width
    light = 230 * np.exp(-((away / 0.05) ** 2)) + 130 * np.exp(-away / 0.12)
    wash = cv2.resize(np.clip(light, 0, 255).astype(np.uint8), (width, height))
    warm = [cv2.convertScaleAbs(wash, alpha=alpha) for alpha in (1.0, 0.95, 0.8)]
    cv2.add(canvas.image, cv2.merge(warm), canvas.image)


def shake(rng: np.random.Generator) -> float:
    """Pixels of a picture 256 high by which the camera moved while it looked; mostly none."""
    return float(rng.uniform(2, 7)) if rng.random() < 0.06 else 0.0


def glare(rng: np.random.Generator, image: NDArray[np.uint8], chance: float) -> None:
    """A sun or reflection that washes a part of the frame out."""
    if rng.random() > chance:
        return
    height, width = image.shape[:2]
    x, y, radius = rng.uniform(0, width), rng.uniform(-0.1, 0.6) * height, rng.uniform(0.1, 0.5) * width
    columns, rows = np.arange(0, width, 4)[None], np.arange(0, height, 4)[:, None]
    far = ((columns - x) ** 2 + ((rows - y) * 1.2) ** 2) / radius**2
    wash = cv2.resize((np.exp(-far) * rng.uniform(40, 170)).astype(np.uint8), (width, height))
    cv2.add(image, cv2.merge([wash] * 3), image)


def sensor(
    rng: np.random.Generator,
    noise: np.random.Generator,
    image: NDArray[np.uint8],
    mood: Mood,
    shaken: float,
    grey: bool,
) -> NDArray[np.uint8]:
    """(H, W, 3) as a camera delivers it: blur, exposure, colour, contrast, noise, compression.

    rng sets the camera up, noise is the grain of one frame; shaken is the length of the motion blur, as from shake();
    grey says whether it may come without colour.
    """
    height, width = image.shape[:2]
    scale = height / 256
    draw = rng.random()
    if shaken:
        long = max(2, int(shaken * scale))
        kernel = np.zeros((long, long), np.float32)
        cv2.line(kernel, (0, int(rng.integers(long))), (long - 1, int(rng.integers(long))), 1.0)
        image = cv2.filter2D(image, -1, kernel / kernel.sum())
    elif draw < 0.28:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 0.9) * scale)
    elif draw < 0.36:
        soft = cv2.GaussianBlur(image, (0, 0), 1.2 * scale)
        image = cv2.addWeighted(image, 1.7, soft, -0.7, 0)
    image = _tone(rng, image, grey)
    if rng.random() < 0.75:
        strength = rng.gamma(1.5, 2.2) / 32 * (2.0 if mood.name == "night" else 1.0)
        if rng.random() < 0.5:
            layers = cv2.merge([grain(noise, height, width)] * 3)
        else:
            layers = cv2.merge([grain(noise, height, width) for _ in range(3)])
        image = cv2.addWeighted(image, 1.0, layers, strength, -128 * strength)
    if rng.random() < 0.3:
        _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 92))])
        image = cv2.imdecode(data, cv2.IMREAD_COLOR)
    return image


def _tone(rng: np.random.Generator, image: NDArray[np.uint8], grey: bool) -> NDArray[np.uint8]:
    """Exposure, gamma, white balance and contrast as one table for each channel."""
    x = np.arange(256) / 255.0
    gamma = np.exp(rng.normal(0, 0.22))
    gain = rng.normal(0, 0.035, 3)
    exposure = np.exp(rng.normal(0.02, 0.18))
    low, high = (rng.uniform(0, 0.15), rng.uniform(0.7, 1.0)) if rng.random() < 0.3 else (0.0, 1.0)
    table = np.empty((256, 1, 3))
    for channel in range(3):
        table[:, 0, channel] = low + (high - low) * np.clip(x * exposure * (1 + gain[channel]), 0, 1) ** gamma
    image = cv2.LUT(image, np.clip(table * 255, 0, 255).astype(np.uint8))
    draw = rng.random()
    if draw < 0.03 and grey:
        return cv2.merge([cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)] * 3)
    if draw < 0.45:
        plain = cv2.merge([cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)] * 3)
        share = rng.uniform(0.4, 1.3)
        return cv2.addWeighted(image, share, plain, 1 - share, 0)
    return image
