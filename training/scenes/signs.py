"""Traffic signs and lights: boards of every shape and colour with borders and pictograms, lamps in housings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .camera import NEAR
from .canvas import UNNAMED, Canvas
from .mood import Mood

TONES = {
    "red": (196, 30, 38),
    "blue": (24, 84, 168),
    "yellow": (246, 200, 34),
    "green": (18, 116, 74),
    "white": (236, 236, 234),
    "orange": (240, 128, 28),
    "brown": (112, 68, 40),
    "other": (120, 120, 124),
}
LAMPS = {"red": (255, 46, 34), "yellow": (255, 196, 40), "green": (60, 240, 170)}
SHAPES = ("stop", "circle", "triangle", "diamond", "square", "rectangle", "other")
COLOURS = tuple(TONES)


@dataclass(frozen=True)
class Board:
    """A sign: outline and inner pieces in its own plane (unit half-height), label (shape), colour, visible state."""

    shape: str
    colour: str
    state: str
    pieces: tuple[tuple[NDArray[np.float64], tuple[float, float, float]], ...]
    """(N, 2) outline, x right, y up, and its colour, in drawing order; the first is the board itself"""


def outline(shape: str, rng: np.random.Generator) -> NDArray[np.float64]:
    """(N, 2) the rim of a board of a shape, about one unit from its middle."""

    def ring(count: int, start: float) -> NDArray[np.float64]:
        turn = start + np.arange(count) * 2 * np.pi / count
        return np.stack([np.cos(turn), np.sin(turn)], axis=1)

    if shape == "stop":
        return ring(8, np.pi / 8)
    if shape == "circle":
        return ring(24, 0.0)
    if shape == "triangle":
        return ring(3, np.pi / 2 if rng.random() < 0.75 else -np.pi / 2)
    if shape == "diamond":
        return ring(4, 0.0)
    if shape == "square":
        return ring(4, np.pi / 4)
    if shape == "rectangle":
        wide, tall = (rng.uniform(1.2, 2.6), 0.75) if rng.random() < 0.6 else (rng.uniform(0.45, 0.75), 1.0)
        return np.array([[-wide, -tall], [wide, -tall], [wide, tall], [-wide, tall]])
    kind = rng.integers(3)
    if kind == 0:
        return ring(5, np.pi / 2)
    if kind == 1:
        return np.array([[-1.3, -0.45], [0.9, -0.45], [1.4, 0.0], [0.9, 0.45], [-1.3, 0.45]])
    return np.array([[-0.7, 1], [0.7, 1], [0.8, 0.2], [0.0, -1.0], [-0.8, 0.2]])


def random_board(rng: np.random.Generator, avoid: frozenset[str] = frozenset()) -> Board:
    """A sign of likely and unlikely shape and colour; colours in avoid are not taken."""
    common = [
        ("stop", "red"),
        ("circle", "white"),
        ("circle", "blue"),
        ("circle", "red"),
        ("triangle", "white"),
        ("triangle", "yellow"),
        ("diamond", "yellow"),
        ("diamond", "orange"),
        ("square", "blue"),
        ("rectangle", "green"),
        ("rectangle", "blue"),
        ("rectangle", "white"),
        ("rectangle", "yellow"),
        ("rectangle", "brown"),
        ("other", "white"),
        ("square", "white"),
        ("triangle", "red"),
    ]
    shape, colour = common[int(rng.integers(len(common)))]
    if rng.random() < 0.4:
        shape, colour = SHAPES[int(rng.integers(len(SHAPES)))], COLOURS[int(rng.integers(len(COLOURS)))]
    if colour in avoid:
        colour = str(rng.choice([c for c in COLOURS if c not in avoid]))
    rim = outline(shape, rng)
    tone = np.array(TONES[colour]) * rng.uniform(0.75, 1.1) + rng.normal(0, 9, 3)
    light = colour in ("yellow", "white", "orange")
    contrast = np.array([24, 24, 26.0]) if light else np.array([236, 236, 232.0])
    edge = contrast
    european = colour == "white" or (colour == "yellow" and rng.random() < 0.6)
    if european and shape in ("circle", "triangle"):
        edge = np.array(TONES["red"], float)
    pieces = [(rim, tone)]
    if rng.random() < 0.85:
        outer, inner = (1.0, 0.8) if (edge[0] > 150 and edge[1] < 80) else (0.94, 0.86)
        pieces = [(rim, tone if outer < 1 else edge), (rim * outer, edge), (rim * inner, tone)]
    pieces += _pictogram(rng, shape, rim, contrast)
    state = str(rng.choice(["clear", "blurred", "backlit"], p=[0.84, 0.08, 0.08]))
    return Board(shape, colour, state, tuple((xy, tuple(np.clip(c, 0, 255))) for xy, c in pieces))


def _pictogram(
    rng: np.random.Generator, shape: str, rim: NDArray[np.float64], ink: NDArray[np.float64]
) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Bars, an arrow, letters or a blob in the middle of a board."""
    wide, tall = np.abs(rim).max(0) * (0.5 if shape in ("triangle", "diamond") else 0.68)
    kind = rng.random()

    def bar(x: float, y: float, w: float, h: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return np.array([[x - w, y - h], [x + w, y - h], [x + w, y + h], [x - w, y + h]]), ink

    if shape == "stop" or (shape != "rectangle" and kind < 0.3):
        count = 4 if shape == "stop" else int(rng.integers(1, 4))
        step = 1.5 * wide / count
        out = []
        for index in range(count):
            x = (index - (count - 1) / 2) * step
            out += [bar(x - step * 0.25, 0, step * 0.1, tall * 0.45)] if rng.random() < 0.8 else []
            out += [bar(x, y, step * 0.32, tall * 0.1) for y in (-0.35 * tall, 0.0, 0.35 * tall) if rng.random() < 0.75]
        return out
    if shape == "rectangle" or kind < 0.4:
        rows = int(rng.integers(1, 5))
        out = []
        for row in range(rows):
            y = tall * 0.85 * (1 - (2 * row + 1) / rows)
            for x in np.arange(-wide, wide * rng.uniform(0.2, 1), 0.3):
                if rng.random() < 0.8:
                    out.append(bar(x, y, rng.uniform(0.05, 0.13), tall * 0.45 / rows))
        return out[:16]
    if kind < 0.75:
        turn = rng.uniform(0, 2 * np.pi)
        arrow = np.array(
            [[-0.7, -0.14], [0.15, -0.14], [0.15, -0.42], [0.8, 0], [0.15, 0.42], [0.15, 0.14], [-0.7, 0.14]]
        )
        c, s = np.cos(turn), np.sin(turn)
        return [(arrow @ np.array([[c, -s], [s, c]]) * min(wide, tall), ink)]
    if kind < 0.92:
        turn = np.sort(rng.uniform(0, 2 * np.pi, 9))
        blob = np.stack([np.cos(turn) * wide, np.sin(turn) * tall], 1) * rng.uniform(0.4, 1.0, (9, 1))
        return [(blob, ink)]
    return []


def plane(
    place: NDArray[np.float64], turn: float, flat: NDArray[np.float64], forward: float = 0.0
) -> NDArray[np.float64]:
    """(..., 2) metres in an upright plane at place (3,), turned right by turn (rad) -> (..., 3) vehicle frame."""
    c, s = np.cos(turn), np.sin(turn)
    x, y = flat[..., 0], flat[..., 1]
    return np.stack([x * c + forward * s, y, -x * s + forward * c], axis=-1) + place


def draw_board(
    canvas: Canvas,
    board: Board,
    place: NDArray[np.float64],
    turn: float,
    half: float,
    ident: int,
    mood: Mood,
    pole: bool,
) -> bool:
    """Draw a sign with its middle at place (3,), half metres from middle to rim; False when it is too near."""
    shapes = [plane(place, turn, xy * half) for xy, _ in board.pieces]
    pixels, depth = canvas.camera.project(shapes[0])
    if depth.min() < NEAR:
        return False
    if pole:
        shaft = np.array([[-0.035, -place[1]], [0.035, -place[1]], [0.035, half * 0.8], [-0.035, half * 0.8]])
        canvas.quads(
            plane(place, turn, shaft, 0.03)[None], np.array([[120, 122, 124.0]]) * mood.gain, UNNAMED, cull=False
        )
    fade = float(np.exp(-max(depth.mean() - 5, 0) / mood.visibility))
    gain = mood.gain * (0.22 if board.state == "backlit" else 1.0)
    size = np.ptp(pixels[:, 1])
    for index, (shape, (_, colour)) in enumerate(zip(shapes, board.pieces, strict=True)):
        if index > 2 and size < 9:
            break
        xy, _ = canvas.camera.project(shape)
        canvas.fill(
            xy, np.clip(np.array(colour) * gain, 0, 255) * fade + mood.haze * (1 - fade), ident if index == 0 else None
        )
    canvas.close(ident)
    return True


def draw_light(
    canvas: Canvas,
    state: str,
    place: NDArray[np.float64],
    turn: float,
    tall: float,
    ident: int,
    mood: Mood,
    rng: np.random.Generator,
    pole: bool,
) -> bool:
    """Draw a traffic light with its middle at place (3,), tall metres high; False when it is too near."""
    flat = rng.random() < 0.12
    wide = tall * rng.uniform(0.34, 0.44)
    rim = np.array([[-wide / 2, -tall / 2], [wide / 2, -tall / 2], [wide / 2, tall / 2], [-wide / 2, tall / 2]])
    if flat:
        rim = rim[:, ::-1][::-1]
    pixels, depth = canvas.camera.project(plane(place, turn, rim))
    if depth.min() < NEAR:
        return False
    if pole:
        base = -place[1] if rng.random() < 0.7 else tall / 2
        top = tall / 2 if base < 0 else tall / 2 + 2.0
        shaft = np.array([[-0.05, base], [0.05, base], [0.05, top], [-0.05, top]])
        canvas.quads(plane(place, turn, shaft, 0.1)[None], np.array([[70, 72, 74.0]]) * mood.gain, UNNAMED, cull=False)
    housing = np.array([[28, 29, 30], [26, 40, 32], [190, 150, 30]], float)[rng.choice(3, p=[0.6, 0.2, 0.2])]
    if rng.random() < 0.25:
        canvas.fill(canvas.camera.project(plane(place, turn, rim * 1.35, 0.02))[0], housing * 0.6 * mood.gain, UNNAMED)
    canvas.fill(pixels, np.clip(housing * mood.gain, 0, 255), ident)
    ring = np.stack([np.cos(np.linspace(0, 6.28, 17)[:16]), np.sin(np.linspace(0, 6.28, 17)[:16])], 1)
    for index, name in enumerate(LAMPS):
        middle = np.array([0, tall * (1 - index) * 0.32])
        middle = middle[::-1] * [-1, 1] if flat else middle
        disc = plane(place, turn, middle + ring * tall * 0.135)
        lit = name == state
        colour = np.array(LAMPS[name]) * (1.0 if lit else rng.uniform(0.12, 0.25))
        xy, far = canvas.camera.project(disc)
        canvas.fill(xy, colour if lit else colour * mood.gain)
        if lit:
            u, v = xy.mean(0)
            canvas.glows.append(
                (float(u), float(v), float(canvas.camera.focal[0] * tall * 0.15 / far.mean()), tuple(colour), ident)
            )
    canvas.close(ident)
    return True
