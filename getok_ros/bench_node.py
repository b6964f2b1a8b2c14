"""What the node does beside the model, timed piece by piece on a 720p image: never more than a few milliseconds."""

from __future__ import annotations

from rclpy.serialization import serialize_message
from std_msgs.msg import Header

from getok_core.bench.small import camera_image
from getok_core.bench.table import Row, timed
from getok_core.engines.noise_engine import NoiseEngine
from getok_core.grammar import parse
from getok_core.perceiver import Perceiver
from getok_core.protocol import Limits, Request
from getok_core.queries import STANDING
from getok_core.view import View

from .images import image_to_rgb, rgb_to_image
from .messages import scene_to_message


def node_rows(runs: int, bar_ms: float) -> list[Row]:
    """A row a piece, and their sum beside the bar."""
    image, engine = camera_image(), NoiseEngine()
    message, view = rgb_to_image(image, Header()), View((image.shape[1], image.shape[0]), engine.manifest.view)
    perceiver = Perceiver(engine, refinements=1)
    scene = perceiver.perceive(image)
    requests = [
        Request(one.prompt(engine.vocabulary, perceiver.lattice, engine.manifest.view), one.form) for one in STANDING
    ]
    with engine.open([view.resize(image)]) as frames:
        said = [(reply.ids, one.form) for reply, one in zip(frames.propose(requests, Limits()), requests, strict=True)]
    made = scene_to_message(scene, Header())
    pieces = {
        "image message to RGB": lambda: image_to_rgb(message),
        "resize to the model": lambda: view.resize(image),
        "parse": lambda: [parse(ids, engine.vocabulary, form) for ids, form in said],
        "scene to message": lambda: scene_to_message(scene, Header()),
        "message to bytes": lambda: serialize_message(made),
    }
    rows = [Row(f"node: {name}", _after_one(work, runs)) for name, work in pieces.items()]
    objects = sum(len(group) for group in (scene.lanes, scene.obstacles, scene.signs, scene.lights))
    total = sum(row.ms or 0.0 for row in rows)
    return [
        *rows,
        Row("node without the model", total, note=f"bar {bar_ms:g} ms; a scene of {objects} objects of noise"),
    ]


def _after_one(work, runs: int) -> float:
    work()
    return timed(work, max(runs, 20))
