"""What is printed on a sign: digits, letters, arrows, figures, crosses, as polygons in the board's own plane."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .chance import chosen

Piece = tuple[NDArray[np.float64], NDArray[np.float64]]
"""(N, 2) outline, x right, y up, one unit from the board's middle to its rim, and (3,) colour"""
SEGMENTS = {
    "0": "abcdef", "1": "bc", "2": "abged", "3": "abgcd", "4": "fgbc", "5": "afgcd", "6": "afgedc", "7": "abc",
    "8": "abcdefg", "9": "abcdfg", "S": "afgcd", "T": "ahi", "O": "abcdef", "P": "abfge",
    "E": "afged", "A": "abcefg", "H": "bcefg", "L": "fed",
}  # fmt: skip
"""strokes of a character: a top, b c right, d bottom, e f left, g middle, h i the middle post"""
LIMITS = ("5", "20", "30", "40", "50", "60", "70", "80", "90", "100", "120")
STROKES = {
    "a": (0, 1, 0.55, 0.16), "d": (0, -1, 0.55, 0.16), "g": (0, 0, 0.5, 0.16), "b": (0.5, 0.5, 0.17, 0.6),
    "c": (0.5, -0.5, 0.17, 0.6), "e": (-0.5, -0.5, 0.17, 0.6), "f": (-0.5, 0.5, 0.17, 0.6), "h": (0, 0.5, 0.17, 0.6),
    "i": (0, -0.5, 0.17, 0.6),
}  # fmt: skip


def bar(x: float, y: float, half_width: float, half_height: float) -> NDArray[np.float64]:
    """(4, 2) an upright rectangle around x, y."""
    dx, dy = half_width, half_height
    return np.array([[x - dx, y - dy], [x + dx, y - dy], [x + dx, y + dy], [x - dx, y + dy]])


def characters(text: str, wide: float, tall: float, ink: NDArray[np.float64]) -> list[Piece]:
    """Text in block strokes, as large as fits into half-width wide and half-height tall."""
    unit = min(wide / (0.75 * len(text)), tall / 1.15)
    pieces = []
    for index, letter in enumerate(text):
        middle = (index - (len(text) - 1) / 2) * 1.5 * unit
        for stroke in SEGMENTS.get(letter, "g"):
            x, y, dx, dy = STROKES[stroke]
            pieces.append((bar(middle + x * unit * 0.85, y * unit, dx * unit * 0.85, dy * unit), ink))
    return pieces


def arrow(turn: float, size: float, ink: NDArray[np.float64]) -> list[Piece]:
    """An arrow pointing turn radians from the right, counter-clockwise."""
    shape = np.array(
        [[-0.75, -0.13], [0.1, -0.13], [0.1, -0.42], [0.8, 0], [0.1, 0.42], [0.1, 0.13], [-0.75, 0.13]]
    )  # fmt: skip
    c, s = np.cos(turn), np.sin(turn)
    return [(shape @ np.array([[c, s], [-s, c]]) * size, ink)]


def figure(size: float, ink: NDArray[np.float64]) -> list[Piece]:
    """A walking person."""
    ring = np.linspace(0, 2 * np.pi, 9)[:8]
    head = np.stack([np.cos(ring) * 0.16, np.sin(ring) * 0.16 + 0.78], 1)
    body = np.array([[-0.2, 0.55], [0.2, 0.55], [0.18, -0.1], [0.45, -0.95], [0.25, -0.95], [0.0, -0.25], [-0.3, -0.95],
                     [-0.5, -0.95], [-0.15, -0.1]])  # fmt: skip
    arms = np.array([[-0.2, 0.5], [-0.5, 0.05], [-0.4, 0.0], [0.0, 0.35], [0.4, 0.0], [0.5, 0.08], [0.2, 0.5]])
    return [(part * size, ink) for part in (head, body, arms)]


def cross(size: float, ink: NDArray[np.float64], both: bool) -> list[Piece]:
    """One or two bars from rim to rim."""
    c = np.sqrt(0.5)
    falling = bar(0, 0, size, 0.12) @ np.array([[c, -c], [c, c]])
    return [(falling, ink), (falling * [-1, 1], ink)] if both else [(falling, ink)]


def rows(rng: np.random.Generator, wide: float, tall: float, ink: NDArray[np.float64]) -> list[Piece]:
    """Lines of words too small to read, one bar a syllable."""
    count = int(rng.integers(1, 4))
    pieces = []
    for row in range(count):
        y = tall * 0.85 * (1 - (2 * row + 1) / count)
        x, end = -wide * rng.uniform(0.5, 1), wide * rng.uniform(0.3, 1)
        while x < end:
            half = rng.uniform(0.05, 0.2)
            pieces.append((bar(x + half, y, half, tall * 0.42 / count), ink))
            x += 2 * half + rng.uniform(0.05, 0.12)
    return pieces[:18]


def blob(rng: np.random.Generator, wide: float, tall: float, ink: NDArray[np.float64]) -> list[Piece]:
    """Some silhouette."""
    turn = np.sort(rng.uniform(0, 2 * np.pi, 9))
    return [(np.stack([np.cos(turn) * wide, np.sin(turn) * tall], 1) * rng.uniform(0.4, 1.0, (9, 1)), ink)]


def printed(
    rng: np.random.Generator, shape: str, colour: str, rim: NDArray[np.float64], ink: NDArray[np.float64]
) -> list[Piece]:
    """What stands on a board of a shape and colour, likely things first."""
    wide, tall = np.abs(rim).max(0) * (0.5 if shape in ("triangle", "diamond") else 0.66)
    size = float(min(wide, tall))
    kind = rng.random()
    if shape == "stop":
        return characters("STOP", wide, tall, ink) if kind < 0.85 else rows(rng, wide, tall, ink)
    if shape == "circle" and colour == "red" and kind < 0.6:
        return [(bar(0, 0, 0.68, 0.16), ink)]
    if shape == "circle" and colour == "blue" and kind < 0.4:
        return cross(0.85, np.array([196, 30, 38.0]), kind < 0.2)
    if shape == "circle" and colour == "white" and kind < 0.75:
        return characters(chosen(rng, LIMITS), wide, tall, ink)
    if shape in ("square", "rectangle") and colour == "blue" and kind < 0.35:
        triangle = np.array([[-0.62, -0.5], [0.62, -0.5], [0.0, 0.58]]) * min(1.0, float(wide) / 0.5)
        return [(triangle, np.array([236, 236, 232.0])), *figure(size * 0.42, np.array([26, 26, 30.0]))]
    if shape == "rectangle":
        if kind < 0.7:
            return rows(rng, wide, tall, ink)
        return arrow(float(chosen(rng, [0, np.pi, np.pi / 2, -np.pi / 2])), size * 1.2, ink)
    if kind < 0.3:
        return characters(
            "".join(chosen(rng, "0123456789PEAHL") for _ in range(int(rng.integers(1, 4)))), wide, tall, ink
        )
    if kind < 0.6:
        return arrow(rng.uniform(0, 2 * np.pi), size, ink)
    if kind < 0.75:
        return figure(size * 0.85, ink)
    return blob(rng, wide, tall, ink) if kind < 0.92 else []
