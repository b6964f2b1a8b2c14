"""Named things take their places in a frame: movers on the road, signs and lights beside it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from . import signs
from .canvas import UNNAMED, Canvas
from .chance import chosen
from .draw_body import draw_body
from .mood import Mood
from .mover import Mover, Post
from .road import Road
from .things import Frame
from .world import World


def stand_things(frame: Frame, world: World, road: Road, shade: NDArray[np.float64], time: float) -> None:
    """Draw movers and posts at a time in seconds, far to near; shade (3,) is the colour of the road below them."""
    things: list[tuple[float, int, Mover | Post]] = []
    count = len(world.movers)
    for index, mover in enumerate(world.movers):
        gone = mover.s + mover.speed * time
        s = road.placed(gone)
        if 0.5 < s < min(road.reach, 130):
            things.append((s, index + 1000 * road.lap(gone), mover))
    for index, post in enumerate(world.posts):
        s = post.s - (road.moved if post.pixel is None else 0)
        if 1.0 < s < min(road.reach, 90) or post.pixel is not None:
            things.append((s, count + index, post))
    for s, track, thing in sorted(things, key=lambda one: -one[0]):
        if isinstance(thing, Mover):
            place = road.at(np.array([s]), thing.d)[0]
            heading = float(np.interp(s, road.s, road.heading)) + thing.turn
            if road.visible(np.array([s]), 0.8)[0]:
                half = thing.body.size[2] / 2
                away = np.hypot(place[0] + half * np.sin(heading), place[2] + half * np.cos(heading))
                ident = frame.name(thing.body, track, float(away))
                if ident is not None:
                    draw_body(frame.canvas, thing.body, place, heading, ident, world.mood, shade)
                    if thing.smeared and not world.mood.backlit and frame.canvas.smear(ident, 0.3, 0.1):
                        frame.say(ident, "blurred")
            continue
        place = road.at(np.array([s]), thing.d, thing.up)[0]
        turn = float(np.interp(s, road.s, road.heading)) + thing.turn
        if thing.pixel is not None:
            place, turn = world.camera.unproject(thing.pixel, s), thing.turn
        put(frame, thing, place, turn, track)


def put(frame: Frame, post: Post, place: NDArray[np.float64], turn: float, track: int) -> None:
    """Draw a sign or light with its middle at place (3,)."""
    ident = frame.name(post.thing, track, float(np.hypot(place[0], place[2])))
    if ident is None:
        return
    if isinstance(post.thing, str):
        signs.draw_light(
            frame.canvas,
            post.thing,
            place,
            turn,
            post.half,
            ident,
            frame.mood,
            np.random.default_rng(post.look),
            post.pole,
        )
        return
    canvas, board = frame.canvas, post.thing
    signs.draw_board(canvas, board, place, turn, post.half, ident, frame.mood, post.pole)
    if ident not in canvas.extent:
        return
    if board.state == "backlit":
        frame.say(ident, "backlit")
    elif board.state == "blurred" and not frame.mood.backlit and canvas.smear(ident, 0.3, 0.3):
        frame.say(ident, "blurred")
    if post.covered:
        _hang_leaves(np.random.default_rng(post.look), canvas, ident, frame.mood)


def _hang_leaves(rng: np.random.Generator, canvas: Canvas, ident: int, mood: Mood) -> None:
    """Cover a part of a sign with foliage, from one side or from above."""
    left, top, right, bottom = canvas.extent[ident][1:]
    wide, tall = right - left, bottom - top
    side = chosen(rng, [-1, 0, 1], [0.4, 0.2, 0.4])
    x = (left + right) / 2 + side * wide * rng.uniform(0.3, 0.55)
    y = (top + bottom) / 2 - (0.0 if side else tall * rng.uniform(0.3, 0.5)) + rng.normal(0, 0.15) * tall
    turn = np.linspace(0, 2 * np.pi, 15)[:14]
    for size in (1.0, 0.7):
        tone = np.array([58, 82, 40.0]) * rng.uniform(0.5, 1.3) * mood.upright
        radius = rng.uniform(0.35, 0.55, 14) * size
        leaves = np.stack([x + np.cos(turn) * wide * radius, y + np.sin(turn) * tall * radius * 1.2], 1)
        canvas.fill(leaves, np.clip(tone, 0, 255).tolist(), UNNAMED)
