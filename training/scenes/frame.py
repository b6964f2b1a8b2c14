"""A world at one moment, drawn far to near, with the truth taken from what is still visible."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from getok_core.scene import Scene

from . import blockage, paint, pavement, slippery, surface, surroundings, truth, vehicles, weather
from .backgrounds import Backgrounds
from .canvas import UNNAMED, Canvas
from .mood import Mood
from .road import Road
from .sky import sky
from .standing import stand_things
from .texture import GroundMap
from .things import Frame, Thing, listed, seen, with_visible_hues
from .world import World

KNOWN = frozenset({"lanes", "drivable area", "obstacles", "signs", "lights"})


@dataclass(frozen=True)
class Rendered:
    """A drawn frame and what is true of it."""

    image: NDArray[np.uint8]
    """(H, W, 3) RGB"""
    scene: Scene
    """in pixels of image, every score 1.0, after occlusion and clipping"""
    attributes: dict[str, str]
    """surface: dry, wet, snow, ice; blockage: open, partly blocked, blocked; traffic: empty, light, moderate, heavy

    Each is "not visible" through a blank lens, and missing where nobody knows."""
    obstacle_states: tuple[str, ...]
    """visible state of each of scene.obstacles: clear, blurred, occluded, backlit"""
    things: tuple[Thing, ...]
    """one for each of scene.obstacles, then scene.signs, then scene.lights, in their order"""
    ids: NDArray[np.uint8]
    """(H, W): 0 background, 1 road, 255 a cover without a name, else the ident of the thing seen there"""
    known: frozenset[str] = KNOWN
    """standing tasks whose truth is whole; a photograph's own road and vehicles are nobody's truth"""


def compose(
    world: World, time: float, noise: np.random.Generator, backgrounds: Backgrounds | None, photo: float = 0.35
) -> Rendered:
    """The world at a time in seconds; photo is the chance of a photograph behind it."""
    rng, land, tar, plants, rails, lens, sheen = (np.random.default_rng([world.look, part]) for part in range(7))
    camera, layout, mood = world.camera, world.layout, world.mood
    drift = 0.15 * np.sin(0.35 * time)
    at = world.course.start + world.speed * time
    road = world.course.seen_from(at, world.offset + drift, world.heading, camera.altitude)
    ground = GroundMap(camera, road)
    use_photo, bare = backgrounds is not None and rng.random() < photo, rng.random() < 0.4
    road_colour = surface.asphalt(rng, mood)
    whiteness = min(255.0, max(float(road_colour.max()) + 28, rng.uniform(188, 250)))
    if use_photo and backgrounds:
        image = backgrounds.cut(rng, (camera.width, camera.height))
    else:
        image = sky(rng, camera, mood, ground.horizon)
    canvas = Canvas(camera, image, (mood.haze, mood.visibility))
    frame = Frame(canvas, mood)
    grass = surface.lay_ground(land, canvas, ground, road, layout, mood, road_colour, use_photo and bare)
    pavement.lay_beside(land, canvas, road, layout, grass, mood.surface in ("snow", "ice"))
    pavement.lay_ramp(canvas, road, layout, road_colour)
    pavement.lay_crossings(land, canvas, road, layout, road_colour)
    surface.grain(land, canvas, ground)
    paint.damage(tar, canvas, road, layout, road_colour)
    paint.paint_lines(tar, canvas, ground, road, layout, whiteness)
    slippery.lay_snow(sheen, canvas, ground, layout, mood)
    surface.cast_shadows(land, canvas, ground, road, layout, mood)
    rows = slice(ground.first * ground.STEP, None)
    canvas.image[rows] = cv2.multiply(canvas.image[rows], (*mood.gain, 1.0))
    weather.air(canvas, ground, mood)
    if not use_photo or bare:
        surroundings.stand(plants, canvas, road, layout, mood)
    surface.barriers(rails, canvas, road, layout, mood)
    stand_things(frame, world, road, road_colour * mood.gain, time)
    slippery.mirror(sheen, canvas, ground, mood)
    weather.night(lens, frame, ground)
    return finish(lens, noise, frame, world, road)


def finish(
    rng: np.random.Generator, noise: np.random.Generator, frame: Frame, world: World, road: Road | None
) -> Rendered:
    """Cover by the car's own hood, take the truth, then let lens and sensor have their way."""
    canvas, mood = frame.canvas, world.mood
    if world.hood:
        _hood(rng, canvas, mood)
    weather.lamps(canvas, mood)
    weather.low_sun(canvas, mood)
    weather.glare(rng, canvas.image, 0.06)
    lanes = truth.lanes(canvas, road, world.layout) if road is not None else ()
    areas = truth.drivable(canvas) if road is not None else ()
    weather.rain(noise, canvas.image, mood)
    shake = weather.shake(rng)
    things = seen(frame, shake)
    obstacles, boards, lights = listed(frame, things)
    grey = not (boards or lights or world.posts)
    image = weather.sensor(rng, noise, canvas.image, mood, shake, grey)
    scene = Scene(world.camera.width, world.camera.height, lanes, areas, tuple(obstacles), tuple(boards), tuple(lights))
    states = tuple(thing.visible_state for thing in things if thing.kind == "obstacle")
    things = with_visible_hues(things, image, canvas.ids)
    return Rendered(image, scene, _attributes(world, things, bool(areas)), states, things, canvas.ids)


def _hood(rng: np.random.Generator, canvas: Canvas, mood: Mood) -> None:
    """The car's own bonnet, or a dark dashboard with streaks, and sometimes its reflection in the windscreen."""
    height, width = canvas.ids.shape
    x = np.linspace(-0.05, 1.05, 24)
    dash = rng.random() < 0.5
    bow = 1 - (np.abs(x - rng.uniform(0.4, 0.6)) * rng.uniform(1.2, 2.0)) ** rng.uniform(2, 4)
    rise = rng.uniform(0.03, 0.16) * bow if not dash else rng.uniform(0.05, 0.24) * (0.85 + 0.15 * bow)
    rim = np.stack([x * width, height * (1 - rise)], 1)
    foot = np.array([[1.05 * width, 1.4 * height], [-0.05 * width, 1.4 * height]])
    tone = vehicles.tinted(rng) * rng.uniform(0.3, 1.0) * mood.gain
    if dash:
        tone = np.full(3, rng.uniform(8, 60)) * (1 + rng.normal(0, 0.04, 3))
    canvas.fill(np.concatenate([rim, foot]), np.clip(tone, 0, 255), UNNAMED)
    for _ in range(int(rng.integers(1, 4))):
        lower = rim + np.array([0.0, rng.uniform(0.005, 0.12) * height])
        canvas.fill(np.concatenate([lower, foot]), np.clip(tone * rng.uniform(0.6, 1.5), 0, 255))
    if dash and rng.random() < 0.5:
        start = int(height * rng.uniform(0.3, 0.8))
        ramp = np.linspace(0, rng.uniform(10, 45), height - start)[:, None] * (1 + 0.3 * np.sin(x[:1]))
        wash = np.repeat(ramp, width, axis=1).astype(np.uint8)
        canvas.image[start:] = cv2.add(canvas.image[start:], cv2.merge([wash] * 3))


def _attributes(world: World, things: tuple[Thing, ...], on_road: bool) -> dict[str, str]:
    moving = sum(thing.label in ("car", "truck", "bus", "motorcycle") for thing in things)
    traffic = "empty" if moving == 0 else "light" if moving <= 2 else "moderate" if moving <= 5 else "heavy"
    if not on_road:
        return {"surface": "not visible", "blockage": "not visible", "traffic": traffic}
    blocked = blockage.truth(world.layout, world.movers, things)
    return {"surface": world.mood.surface, "blockage": blocked, "traffic": traffic}
