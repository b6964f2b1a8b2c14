"""One world made from a seed: a road, what stands and moves on it, its weather, and frames of it as a camera sees them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np
from getok_core.scene import Light, Obstacle, Scene, Sign
from numpy.typing import NDArray

from . import paint, signs, surface, surroundings, truth, vehicles, weather
from .backgrounds import Backgrounds
from .camera import Camera, random_camera
from .canvas import FIRST, UNNAMED, Canvas
from .mood import Mood, random_mood
from .road import Course, Layout, Road, random_course, random_layout
from .texture import GroundMap, picked

LEAST = 0.011
"""of the image's sides: smaller boxes are not in the truth"""
MOST_OBSTACLES, MOST_SIGNS = 16, 8


@dataclass(frozen=True)
class Rendered:
    """A drawn frame and what is true of it."""

    image: NDArray[np.uint8]
    """(H, W, 3) RGB"""
    scene: Scene
    """in pixels of image, every score 1.0, after occlusion and clipping"""
    attributes: dict[str, str]
    """surface: dry, wet, snow, ice; blockage: open, partly blocked, blocked; traffic: empty, light, moderate, heavy"""
    obstacle_states: tuple[str, ...]
    """visible state of each of scene.obstacles: clear, blurred, occluded, backlit"""


@dataclass(frozen=True)
class Mover:
    """Something on the road: where it is at time 0, how fast it goes along the road, how it stands."""

    body: vehicles.Body
    s: float
    d: float
    speed: float = 0.0
    turn: float = 0.0


@dataclass(frozen=True)
class Post:
    """A sign or light beside or above the road (or put right before the camera: pixel given)."""

    thing: signs.Board | str
    s: float
    d: float
    up: float
    half: float
    turn: float
    pole: bool
    pixel: tuple[float, float] | None = None


@dataclass(frozen=True)
class World:
    """Everything that does not depend on the moment."""

    camera: Camera
    course: Course
    layout: Layout
    mood: Mood
    movers: tuple[Mover, ...]
    posts: tuple[Post, ...]
    urban: bool
    start: float
    offset: float
    heading: float
    speed: float
    look: int
    """seed of all that is drawn at random but must not flicker"""
    hood: bool


def random_world(rng: np.random.Generator, size: tuple[int, int], drive: bool = False) -> World:
    """A world for one picture, or (drive) one that goes on, with a square-pixel camera and a calm driver."""
    kind = rng.random()
    highway, urban = (True, False) if drive or kind < 0.62 else (False, kind < 0.92)
    layout = random_layout(rng, highway)
    camera = random_camera(rng, size, squashed=not drive)
    mood = random_mood(rng)
    while drive and mood.name not in ("clear", "cloudy"):
        mood = random_mood(rng)
    calm = drive or rng.random() < 0.75
    offset = rng.normal(0, 0.3) if calm else rng.uniform(-2.0, 2.0)
    heading = rng.normal(0, 0.008) if calm else rng.normal(0, 0.05)
    course = random_course(rng, highway, drive)
    start = float(rng.uniform(0, 900))
    speed = float(rng.uniform(18, 30) if highway else rng.uniform(4, 14))
    movers = _movers(rng, layout, urban, speed, offset)
    posts = _posts(rng, layout, camera, urban, start, drive)
    return World(camera, course, layout, mood, movers, posts, urban, start, offset, heading, speed,
                 int(rng.integers(2**31)), rng.random() < 0.3)


def _movers(rng: np.random.Generator, layout: Layout, urban: bool, speed: float, offset: float) -> tuple[Mover, ...]:
    amount = float(rng.choice([0.0, 0.35, 0.8, 1.5], p=[0.17, 0.35, 0.33, 0.15]))
    out: list[Mover] = []
    for lane, way in enumerate(layout.directions):
        s = rng.uniform(4, 30) if lane != layout.own else rng.uniform(6, 45)
        for _ in range(int(rng.poisson(1.6 * amount))):
            label = str(rng.choice(["car", "truck", "bus", "motorcycle", "bicycle"], p=[0.62, 0.18, 0.07, 0.07, 0.06]))
            body = vehicles.MAKERS[label](rng)
            turn = 0.0 if way > 0 else np.pi
            at = s + (body.size[2] if way < 0 else 0)
            out.append(Mover(body, at, layout.centre(lane) + rng.normal(0, 0.25),
                             way * speed * float(rng.uniform(0.8, 1.15)), turn + rng.normal(0, 0.02)))
            s += body.size[2] + rng.uniform(4, 45)
    if urban and rng.random() < 0.5:
        out += _parked(rng, layout)
    for _ in range(int(rng.poisson(1.3 if urban else 0.15))):
        label = str(rng.choice(["pedestrian", "bicycle", "animal"], p=[0.78, 0.14, 0.08]))
        body = vehicles.MAKERS[label](rng)
        edge, outward = (layout.edges[1], 1) if rng.random() < 0.55 else (layout.edges[0], -1)
        d = edge + outward * rng.gamma(2, 0.9) if rng.random() < 0.8 else rng.uniform(*layout.edges)
        out.append(Mover(body, float(rng.uniform(5, 40)), float(d), float(rng.normal(0, 0.8)), rng.uniform(-3.1, 3.1)))
    if rng.random() < 0.09:
        out += _work_zone(rng, layout)
    if rng.random() < 0.04:
        out.append(Mover(vehicles.debris(rng), float(rng.uniform(6, 35)), float(rng.uniform(*layout.edges)), 0.0,
                         rng.uniform(-3, 3)))
    return tuple(out)


def _parked(rng: np.random.Generator, layout: Layout) -> list[Mover]:
    edge, outward = (layout.edges[1], 1) if rng.random() < 0.7 else (layout.edges[0], -1)
    d, s, out = edge + outward * rng.uniform(-1.0, 1.3), rng.uniform(4, 12), []
    for _ in range(int(rng.integers(1, 6))):
        body = vehicles.car(rng)
        out.append(Mover(body, s, d, 0.0, rng.normal(0, 0.03)))
        s += body.size[2] + rng.uniform(0.8, 12)
    return out


def _work_zone(rng: np.random.Generator, layout: Layout) -> list[Mover]:
    s, d = rng.uniform(6, 20), layout.borders[int(rng.integers(len(layout.borders)))]
    drift, out = rng.normal(0, 0.08), []
    for index in range(int(rng.integers(2, 8))):
        maker = vehicles.cone if rng.random() < 0.75 else vehicles.barrier
        step = rng.uniform(2, 6)
        s += step
        d += drift * step
        out.append(Mover(maker(rng), float(s), float(d), 0.0, rng.normal(0, 0.1)))
    return out


def _posts(rng: np.random.Generator, layout: Layout, camera: Camera, urban: bool, start: float,
           drive: bool) -> tuple[Post, ...]:
    out: list[Post] = []
    left, right = layout.edges
    count = int(rng.choice([0, 1, 2, 3], p=[0.5, 0.2, 0.2, 0.1]))
    used: set[str] = set()
    for _ in range(count * (6 if drive else 1)):
        board = signs.random_board(rng, frozenset(used) if len(used) < 5 else frozenset())
        used.add(board.colour)
        s = float(rng.uniform(8, 800)) if drive else float(np.exp(rng.uniform(np.log(5), np.log(55))))
        if not urban and rng.random() < 0.2:
            out.append(Post(board, s + 15, rng.uniform(left, right), rng.uniform(5.4, 6.8), rng.uniform(0.7, 1.5), 0.0, False))
            continue
        side = (right, 1) if rng.random() < 0.7 else (left, -1)
        out.append(Post(board, s, side[0] + side[1] * rng.uniform(0.5, 4), rng.uniform(1.6, 3.2), rng.uniform(0.3, 0.75),
                        rng.normal(0, 0.15), True))
    if not drive and rng.random() < 0.14:
        out += close_ups(rng, camera, int(rng.integers(1, 3)))
    for _ in range(int(rng.integers(1, 4)) if rng.random() < (0.28 if urban else 0.03) else 0):
        state = str(rng.choice(["red", "yellow", "green", "off"], p=[0.36, 0.2, 0.34, 0.1]))
        over = rng.random() < 0.5
        d = rng.uniform(left, right) if over else rng.choice([left - 1, right + 1])
        out.append(Post(state, float(rng.uniform(8, 45)), float(d), rng.uniform(4.5, 6) if over else rng.uniform(2.4, 3.4),
                        rng.uniform(0.8, 1.1), rng.normal(0, 0.1), True))
    return tuple(out)


def close_ups(rng: np.random.Generator, camera: Camera, count: int) -> list[Post]:
    """Signs and lights held right before the camera, up to a quarter of the image: what photographs of signs look like."""
    out = []
    for _ in range(count):
        pixel = (rng.uniform(0.1, 0.9) * camera.width, rng.uniform(0.1, 0.75) * camera.height)
        share = float(np.exp(rng.uniform(np.log(0.08), np.log(0.55))))
        lit = rng.random() < 0.3
        thing = str(rng.choice(["red", "yellow", "green", "off"])) if lit else signs.random_board(rng)
        half = 1.0 if lit else 0.4
        span = half if lit else 2 * half
        out.append(Post(thing, camera.focal[1] * span / (share * camera.height), 0.0, 0.0, half, rng.normal(0, 0.25),
                        rng.random() < 0.5, pixel))
    return out


class Frame:
    """A canvas with the named things on it."""

    def __init__(self, canvas: Canvas, mood: Mood) -> None:
        self.canvas, self.mood = canvas, mood
        self.named: dict[int, vehicles.Body | signs.Board | str] = {}

    def name(self, thing: vehicles.Body | signs.Board | str) -> int | None:
        """A fresh id for a thing; None when there are no more."""
        ident = FIRST + len(self.named)
        if ident >= UNNAMED:
            return None
        self.named[ident] = thing
        return ident


def compose(world: World, time: float, noise: np.random.Generator, backgrounds: Backgrounds | None,
            photo: float = 0.35) -> Rendered:
    """The world at a time in seconds; photo is the chance of a photograph behind it."""
    rng = np.random.default_rng(world.look)
    camera, layout, mood = world.camera, world.layout, world.mood
    drift = 0.15 * np.sin(0.35 * time) - 0.0
    road = world.course.seen_from(world.start + world.speed * time, world.offset + drift, world.heading)
    ground = GroundMap(camera, road)
    use_photo = backgrounds is not None and rng.random() < photo
    image = backgrounds.cut(rng, (camera.width, camera.height)) if use_photo and backgrounds else surroundings.sky(
        rng, camera, mood, ground.horizon)
    canvas = Canvas(camera, image, (mood.haze, mood.visibility))
    frame = Frame(canvas, mood)
    road_colour = surface.asphalt(rng, mood)
    surface.lay_ground(rng, canvas, ground, road, layout, mood, road_colour, use_photo and rng.random() < 0.4)
    paint.damage(rng, canvas, road, layout, road_colour)
    whiteness = min(255.0, max(float(road_colour.max()) + 28, rng.uniform(188, 250)))
    paint.paint_lines(rng, canvas, ground, road, layout, whiteness)
    surface.cast_shadows(rng, canvas, ground, road, layout, mood)
    rows = slice(ground.first * ground.STEP, None)
    canvas.image[rows] = cv2.multiply(canvas.image[rows], (*mood.gain, 1.0))
    weather.air(canvas, ground, mood)
    if not use_photo or rng.random() < 0.3:
        surroundings.stand(rng, canvas, road, layout, mood, world.urban)
    surface.barriers(rng, canvas, road, layout, mood)
    _stand_things(rng, frame, world, road, road_colour * mood.gain, time)
    weather.night(rng, canvas, ground, mood)
    return finish(rng, noise, frame, world, road, time)


def _stand_things(rng: np.random.Generator, frame: Frame, world: World, road: Road, shade: NDArray[np.float64],
                  time: float) -> None:
    gone = world.speed * time
    things: list[tuple[float, Mover | Post]] = []
    for mover in world.movers:
        s = mover.s + (mover.speed * time - gone)
        if 0.5 < s < min(road.reach, 130):
            things.append((s, mover))
    for post in world.posts:
        s = post.s - (gone if post.pixel is None else 0)
        if 1.0 < s < min(road.reach, 90) or post.pixel is not None:
            things.append((s, post))
    for s, thing in sorted(things, key=lambda pair: -pair[0]):
        if isinstance(thing, Mover):
            place = road.at(np.array([s]), thing.d)[0]
            heading = float(np.interp(s, road.s, road.heading)) + thing.turn
            if road.visible(np.array([s]), world.camera.altitude + 0.8)[0]:
                ident = frame.name(thing.body)
                if ident is not None:
                    vehicles.draw(frame.canvas, thing.body, place, heading, ident, world.mood, shade)
            continue
        place = road.at(np.array([s]), thing.d, thing.up)[0]
        turn = float(np.interp(s, road.s, road.heading)) + thing.turn
        if thing.pixel is not None:
            place, turn = world.camera.unproject(thing.pixel, s), thing.turn
        put(rng, frame, thing, place, turn)


def put(rng: np.random.Generator, frame: Frame, post: Post, place: NDArray[np.float64], turn: float) -> None:
    """Draw a sign or light with its middle at place (3,)."""
    ident = frame.name(post.thing)
    if ident is None:
        return
    if isinstance(post.thing, str):
        signs.draw_light(frame.canvas, post.thing, place, turn, post.half, ident, frame.mood, rng, post.pole)
        return
    signs.draw_board(frame.canvas, post.thing, place, turn, post.half, ident, frame.mood, post.pole)
    if post.thing.state == "blurred" and ident in frame.canvas.extent:
        rows, columns = frame.canvas.window(*frame.canvas.extent[ident][1:])
        patch = frame.canvas.image[rows, columns]
        if patch.size:
            sigma = max(1.0, 0.09 * patch.shape[0])
            frame.canvas.image[rows, columns] = cv2.GaussianBlur(patch, (0, 0), sigma)


def finish(rng: np.random.Generator, noise: np.random.Generator, frame: Frame, world: World, road: Road | None,
           time: float) -> Rendered:
    """Cover by the car's own hood, take the truth, then let lens and sensor have their way."""
    canvas, mood = frame.canvas, world.mood
    if world.hood:
        _hood(rng, canvas, mood)
    weather.lamps(canvas, mood)
    weather.glare(rng, canvas.image, 0.06)
    lanes = truth.lanes(canvas, road, world.layout) if road is not None else ()
    areas = truth.drivable(canvas) if road is not None else ()
    weather.rain(noise, canvas.image, mood)
    obstacles, states, boards, lights = named_truth(frame)
    image = weather.sensor(noise, canvas.image, mood)
    scene = Scene(world.camera.width, world.camera.height, lanes, areas, tuple(obstacles), tuple(boards), tuple(lights))
    return Rendered(image, scene, _attributes(world, obstacles, road), tuple(states))


def named_truth(frame: Frame) -> tuple[list[Obstacle], list[str], list[Sign], list[Light]]:
    """Obstacles with their visible states, signs and lights, each near to far by bottom edge."""
    height, width = frame.canvas.ids.shape
    obstacles, boards, lights = [], [], []
    for ident, thing in frame.named.items():
        seen = truth.box(frame.canvas, ident)
        if seen is None:
            continue
        box, hidden = seen
        if box[2] - box[0] < LEAST * width or box[3] - box[1] < LEAST * height:
            continue
        state = "occluded" if hidden > 0.25 else "clear"
        if isinstance(thing, vehicles.Body):
            obstacles.append((Obstacle(thing.label, 1.0, box), state))
        elif isinstance(thing, signs.Board):
            boards.append(Sign(thing.shape, thing.colour, state if hidden > 0.25 else thing.state, 1.0, box))
        else:
            lights.append(Light(thing, 1.0, box))
    obstacles = sorted(obstacles, key=lambda pair: -pair[0].box[3])[:MOST_OBSTACLES]
    boards = sorted(boards, key=lambda sign: -sign.box[3])[:MOST_SIGNS]
    lights = sorted(lights, key=lambda light: -light.box[3])[:MOST_SIGNS]
    return [o for o, _ in obstacles], [s for _, s in obstacles], boards, lights


def _hood(rng: np.random.Generator, canvas: Canvas, mood: Mood) -> None:
    """The car's own bonnet, or a dark dashboard with streaks, and sometimes its reflection in the windscreen."""
    height, width = canvas.ids.shape
    x = np.linspace(-0.05, 1.05, 24)
    dash = rng.random() < 0.5
    bow = 1 - (np.abs(x - rng.uniform(0.4, 0.6)) * rng.uniform(1.2, 2.0)) ** rng.uniform(2, 4)
    rise = rng.uniform(0.03, 0.16) * bow if not dash else rng.uniform(0.05, 0.24) * (0.85 + 0.15 * bow)
    rim = np.stack([x * width, height * (1 - rise)], 1)
    foot = np.array([[1.05 * width, 1.4 * height], [-0.05 * width, 1.4 * height]])
    tone = vehicles.PAINTS[rng.integers(len(vehicles.PAINTS))] * rng.uniform(0.3, 1.0) * mood.gain
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


def _attributes(world: World, obstacles: list[Obstacle], road: Road | None) -> dict[str, str]:
    moving = sum(o.label in ("car", "truck", "bus", "motorcycle") for o in obstacles)
    traffic = "empty" if moving == 0 else "light" if moving <= 2 else "moderate" if moving <= 5 else "heavy"
    blockage = "open"
    if road is not None:
        low, high = world.layout.borders[0], world.layout.borders[-1]
        blocking = [m for m in world.movers if m.speed == 0 and low < m.d < high and m.s < 45]
        lanes = {int(np.searchsorted(world.layout.borders, m.d)) for m in blocking}
        same = sum(way > 0 for way in world.layout.directions)
        blockage = "open" if not lanes else "blocked" if len(lanes) >= same else "partly blocked"
    return {"surface": world.mood.surface, "blockage": blockage, "traffic": traffic}


def render(seed: int, size: tuple[int, int] = (512, 256), backgrounds: Backgrounds | None = None) -> Rendered:
    """One frame, the same for the same seed; size is (width, height)."""
    rng = np.random.default_rng(seed)
    kind = rng.random()
    if kind < 0.01:
        return blank(rng, size)
    world = random_world(rng, size)
    if kind < 0.07:
        return roadless(rng, world, backgrounds, 0)
    if kind < 0.15 and backgrounds is not None:
        return roadless(rng, world, backgrounds, int(rng.integers(1, 4)))
    return compose(world, 0.0, rng, backgrounds)


def roadless(rng: np.random.Generator, world: World, backgrounds: Backgrounds | None, count: int) -> Rendered:
    """A photograph, or sky and texture, without a road; count signs and lights held before it."""
    camera, mood = world.camera, world.mood
    if backgrounds is not None and (count or rng.random() < 0.5):
        image = backgrounds.cut(rng, (camera.width, camera.height))
    else:
        image = surroundings.sky(rng, camera, mood, 0.0)
        top = int(rng.uniform(0.0, 0.9) * camera.height)
        image[top:] = np.array(surface.TERRAIN[str(rng.choice(list(surface.TERRAIN)))]) * rng.uniform(0.4, 1.2)
        grain = cv2.resize(picked(rng, 1.0), (camera.width, camera.height))
        image = cv2.multiply(image, cv2.merge([grain] * 3), scale=1 / 128)
    frame = Frame(Canvas(camera, np.ascontiguousarray(image), (mood.haze, 1e6)), mood)
    for post in sorted(close_ups(rng, camera, count), key=lambda post: -post.s):
        put(rng, frame, post, camera.unproject(post.pixel or (0, 0), post.s), post.turn)
    return finish(rng, rng, frame, replace(world, hood=False), None, 0.0)


def blank(rng: np.random.Generator, size: tuple[int, int]) -> Rendered:
    """A covered, dirty or blinded lens: there is nothing to say."""
    width, height = size
    image = np.empty((height, width, 3), np.uint8)
    image[:] = rng.uniform(0, 255, 3) * rng.uniform(0, 1)
    if rng.random() < 0.6:
        image = cv2.merge([cv2.resize(picked(rng, 1.6), size) // int(rng.integers(1, 9))] * 3)
    return Rendered(image, Scene(width, height), {"surface": "dry", "blockage": "open", "traffic": "empty"}, ())


def drive(seed: int, frames: int, size: tuple[int, int] = (1280, 720), fps: float = 10.0) -> Iterator[Rendered]:
    """Frames of one drive: the camera's car goes along one road, others move, posts come nearer and pass."""
    rng = np.random.default_rng(seed)
    world = random_world(rng, size, drive=True)
    for index in range(frames):
        yield compose(world, index / fps, np.random.default_rng([seed, index]), None)
