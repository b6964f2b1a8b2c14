"""Traffic signs and lights: boards of every shape and colour with borders and pictograms, lamps in housings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .camera import NEAR
from .canvas import UNNAMED, Canvas
from .chance import chosen
from .mood import Mood
from .pictograms import printed

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
COMMON = (
    ("stop", "red"), ("stop", "red"), ("circle", "white"), ("circle", "white"), ("circle", "blue"), ("circle", "red"),
    ("triangle", "white"), ("triangle", "yellow"), ("diamond", "yellow"), ("diamond", "orange"), ("square", "blue"),
    ("square", "blue"), ("rectangle", "green"), ("rectangle", "blue"), ("rectangle", "white"), ("rectangle", "yellow"),
    ("rectangle", "brown"), ("other", "white"), ("square", "white"), ("triangle", "red"),
)  # fmt: skip
"""shapes and colours of signs as they are met"""


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
    shape, colour = COMMON[int(rng.integers(len(COMMON)))]
    if rng.random() < 0.4:
        shape, colour = SHAPES[int(rng.integers(len(SHAPES)))], COLOURS[int(rng.integers(len(COLOURS)))]
    if colour in avoid:
        colour = chosen(rng, [c for c in COLOURS if c not in avoid])
    rim = outline(shape, rng)
    tone = np.array(TONES[colour]) * rng.uniform(0.75, 1.1) + rng.normal(0, 9, 3)
    light = colour in ("yellow", "white", "orange")
    contrast = np.array([24, 24, 26.0]) if light else np.array([236, 236, 232.0])
    edge = contrast
    european = colour == "white" or (colour == "yellow" and rng.random() < 0.6)
    if (european and shape in ("circle", "triangle")) or (
        shape == "circle" and colour == "blue" and rng.random() < 0.4
    ):
        edge = np.array(TONES["red"], float)
    pieces = [(rim, tone)]
    if rng.random() < 0.85:
        outer, inner = (1.0, 0.8) if (edge[0] > 150 and edge[1] < 80) else (0.94, 0.86)
        pieces = [(rim, tone if outer < 1 else edge), (rim * outer, edge), (rim * inner, tone)]
    pieces += printed(rng, shape, colour, rim, contrast)
    state = chosen(rng, ["clear", "blurred", "backlit"], [0.62, 0.25, 0.13])
    return Board(shape, colour, state, tuple((xy, tuple(np.clip(c, 0, 255))) for xy, c in pieces))


def plane(
    place: NDArray[np.float64], turn: float, flat: NDArray[np.float64], forward: float = 0.0
) -> NDArray[np.float64]:
    """(..., 2) metres in an upright plane at place (3,), turned right by turn (rad) -> (..., 3) vehicle frame."""
    c, s = np.cos(turn), np.sin(turn)
    x, y = flat[..., 0], flat[..., 1]
    return np.stack([x * c + forward * s, y, -x * s + forward * c], axis=-1) + place


def _lit(colour: NDArray[np.float64], state: str) -> NDArray[np.float64]:
    """The colour (3,) as it reaches the camera: against the light little of it is left."""
    return 22 + 0.16 * colour + 0.12 * colour.mean() if state == "backlit" else colour


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
    size, state = np.ptp(pixels[:, 1]), "backlit" if mood.backlit else board.state
    for index, (shape, (_, colour)) in enumerate(zip(shapes, board.pieces, strict=True)):
        if index > 2 and size < 9:
            break
        xy, _ = canvas.camera.project(shape)
        lit = _lit(np.array(colour), state) * mood.gain
        canvas.fill(xy, np.clip(lit, 0, 255) * fade + mood.haze * (1 - fade), ident if index == 0 else None)
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
    housing = np.array([[28, 29, 30], [26, 40, 32], [190, 150, 30]], float)[chosen(rng, range(3), [0.6, 0.2, 0.2])]
    if rng.random() < 0.25:
        canvas.fill(canvas.camera.project(plane(place, turn, rim * 1.35, 0.02))[0], housing * 0.6 * mood.gain, UNNAMED)
    canvas.fill(pixels, np.clip(housing * mood.upright, 0, 255), ident)
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
