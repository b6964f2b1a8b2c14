"""The sky and what stands before it far away: a gradient, clouds and hills, down to the horizon."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from .camera import NEAR, Camera
from .canvas import SHIFT, fixed, plain
from .mood import Mood
from .texture import SIDE, picked


def horizon_row(camera: Camera, slope: float, x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows (N,) at which directions of a slope are seen in columns x (N,), roughly (roll kept, distortion not)."""
    turn = np.linspace(-1.4, 1.4, 29)
    points = np.stack([np.sin(turn), np.full(29, slope), np.cos(turn)], 1) * 1000 + np.array([0, camera.altitude, 0])
    pixels, depth = camera.project(points)
    good = depth > NEAR
    order = np.argsort(pixels[good, 0])
    return np.interp(x, pixels[good][order, 0], pixels[good][order, 1])


def sky(rng: np.random.Generator, camera: Camera, mood: Mood, slope: float) -> NDArray[np.uint8]:
    """(H, W, 3) a gradient with clouds, glow where a low sun stands, and hills in front."""
    width, height = camera.width, camera.height
    level = float(np.clip(horizon_row(camera, slope, np.array([width / 2]))[0], 8, height))
    share = np.clip(np.arange(height) / level, 0, 1)[:, None] ** rng.uniform(0.7, 2.5)
    column = mood.zenith * (1 - share) + mood.horizon * share
    image = cv2.resize(np.clip(column, 0, 255).astype(np.uint8)[:, None], (width, height))
    if mood.name in ("clear", "cloudy", "dusk") and rng.random() < 0.75:
        _clouds(rng, image, mood, int(level))
    if rng.random() < 0.5 and mood.name != "night":
        _hills(rng, camera, image, mood, slope)
    return image


def _clouds(rng: np.random.Generator, image: NDArray[np.uint8], mood: Mood, level: int) -> None:
    texture = picked(rng, 1.6)
    tall = max(4, min(level, image.shape[0]))
    top, left = rng.integers(0, SIDE // 2, 2)
    part = texture[top : top + SIDE // 2, left : left + SIDE // 2]
    part = cv2.resize(part, (image.shape[1], tall))
    cover = np.clip((part.astype(np.float32) - rng.uniform(110, 160)) * rng.uniform(2, 7), 0, 235).astype(np.uint8)
    tone = np.full(3, rng.uniform(190, 255)) if mood.name != "dusk" else np.array([235, 170, 140.0])
    over = cv2.merge([cover] * 3)
    sheet = plain(image[:tall], tone)
    image[:tall] = cv2.add(
        cv2.multiply(image[:tall], cv2.bitwise_not(over), scale=1 / 255), cv2.multiply(sheet, over, scale=1 / 255)
    )


def _hills(rng: np.random.Generator, camera: Camera, image: NDArray[np.uint8], mood: Mood, slope: float) -> None:
    x = np.linspace(-20, camera.width + 20, 60)
    for step in range(int(rng.integers(1, 4))):
        base = horizon_row(camera, slope, x)
        wave = sum(
            rng.uniform(0.2, 1) / k * np.sin(x / camera.width * k * rng.uniform(2, 6) + rng.uniform(0, 6))
            for k in (1, 2, 5, 11)
        )
        ridge = base - camera.height * np.maximum(rng.uniform(0.02, 0.10) * (3 - step) / 3 * (1 + wave), 0.004)
        fade = 0.25 + 0.25 * step
        tone = np.array([70, 96, 66.0]) * rng.uniform(0.5, 1.3, 3) * mood.gain
        colour = np.clip(tone * fade + mood.haze * (1 - fade), 0, 255)
        shape = np.concatenate(
            [np.stack([x, ridge], 1), [[camera.width + 20, camera.height * 2], [-20, camera.height * 2]]]
        )
        cv2.fillPoly(image, [fixed(shape)], colour.tolist(), cv2.LINE_AA, SHIFT)
