"""Track mode: what moves is followed and keeps its id, what is lost or new is proposed, and a recording goes on."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from getok_core.carrying import LISTS, Before, carried
from getok_core.grammar import write
from getok_core.lattice import Lattice, nearest_offset
from getok_core.manifest import Manifest
from getok_core.perceiver import Look, Perceiver
from getok_core.protocol import Caps, Offsets, Reply
from getok_core.queries import PROMPT_VERSION, STANDING, TASKS, standard_vocabulary
from getok_core.scene import Lane, Obstacle, Scene
from getok_core.syntax import Instance, Part, distinct_vertices
from getok_core.tracking import Tracker, perceive
from getok_core.view import View
from getok_core.vocabulary import DELETE, END_ANSWER, offset_ids

VOCABULARY, LATTICE, SIZE = standard_vocabulary(), Lattice(), (512, 256)
KINDS = {"lanes": "pl", "drivable area": "poly", "obstacles": "box", "signs": "box", "lights": "box"}
SHAPES = {
    "lanes": {"solid white": [(4.5, 30.5), (8.5, 22.5), (11.5, 17.5)], "dashed white": [(20.5, 30.5), (18.5, 20.5)]},
    "drivable area": {"drivable": [(4.5, 30.5), (12.5, 16.5), (20.5, 16.5), (28.5, 30.5)]},
    "obstacles": {"car": [(6.5, 10.5), (9.5, 13.5)]},
    "signs": {"stop red clear": [(24.5, 6.5), (26.5, 8.5)]},
    "lights": {"red": [(14.5, 2.5), (15.5, 4.5)]},
}
"""what is seen on frame 0, in cells"""


class World:
    """An engine that sees a moving world as well as tokens can say it. A picture's first pixel is its time."""

    device, vocabulary, caps = "cpu", VOCABULARY, Caps()

    def __init__(self, drift=(0.0, 0.0), comes=(), goes=()):
        """drift: of all things, in cells a frame. comes: (frame, list, label, vertices); goes: (frame, list, label)."""
        self.manifest = Manifest("world", "none", 32, VOCABULARY.digest, PROMPT_VERSION, SIZE, "none", 2, 160, {})
        self.drift, self.comes, self.goes = np.asarray(drift), comes, goes
        self.asked: list[list[str]] = []
        """names of what was proposed, frame by frame"""

    def truth(self, time: int, name: str) -> dict[str, np.ndarray]:
        shapes = dict(SHAPES[name]) | {label: xy for at, where, label, xy in self.comes if where == name and time >= at}
        for at, where, label in self.goes:
            if where == name and time >= at:
                del shapes[label]
        return {label: np.asarray(xy) + time * self.drift for label, xy in shapes.items()}

    def open(self, images):
        self.time, self.seconds = int(images[0][0, 0, 0]), 0.0
        return self

    def propose(self, requests, limits):
        replies, names = [], []
        for request in requests:
            (name,) = (q.name for q in STANDING if q.prompt(VOCABULARY, LATTICE, SIZE) == request.prompt)
            names.append(name)
            parts = []
            for label, uv in self.truth(self.time, name).items():
                ij = np.clip(np.floor(uv), 0, 31).astype(np.int64)
                ij = ij if KINDS[name] == "box" else ij[distinct_vertices(ij)]
                parts.append(Instance(label, (Part(KINDS[name], ij),)))
            ids = np.array([*write(parts, VOCABULARY), END_ANSWER])
            logp = np.full(len(ids), -0.1)
            replies.append(Reply(ids, logp, logp, logp, "end"))
        self.asked.append(names)
        return replies

    def refine(self, drafts, limits):
        return [Offsets(ids := self._offsets(draft), np.zeros(len(ids))) for draft in drafts]

    def _offsets(self, draft):
        """Towards where each vertex now is: as far from the thing's own vertex as it was a frame ago."""
        (name,) = (q.name for q in STANDING if q.prompt(VOCABULARY, LATTICE, SIZE) == draft.prompt)
        now = self.truth(self.time, name)
        ids = []
        for part in draft.parts:
            goals = [np.concatenate([np.linspace(a, b, 60) for a, b in pairwise(xy)] + [xy])
                     if part.kind != "box" else xy for xy in now.values()]  # fmt: skip
            for corner, uv in enumerate(draft.uv(part)):
                near = [goal[corner : corner + 1] if part.kind == "box" else goal for goal in goals]
                rest = np.concatenate(near)[:, :] - uv if near else np.full((1, 2), 99.0)
                rest = rest[np.abs(rest).max(1).argmin()]
                lost = np.abs(rest).max() > 4
                ids.append(DELETE if lost else int(offset_ids(nearest_offset(rest[None], draft.step))[0]))
        return np.asarray(ids)

    def __enter__(self):
        return self

    def __exit__(self, *reason):
        pass

    def close(self):
        pass


WHOLE = {"lists": LISTS, "first_step": -1}
"""all that can be carried over, by steps of two cells and less"""


def picture(time: int) -> np.ndarray:
    return np.full((SIZE[1], SIZE[0], 3), time, np.uint8)


def followed(world: World, frames: int, every: int, **more) -> list[Scene]:
    perceiver, tracker = Perceiver(world), Tracker(every, **{**WHOLE, **more})
    return [perceive(perceiver, tracker, picture(time), 10**9 + time * 10**8) for time in range(frames)]


def ids_of(scene: Scene) -> list[list[int]]:
    return [[thing.id for thing in getattr(scene, name)] for name in ("lanes", "drivable_areas", "obstacles", "signs")]


def flat(scene: Scene) -> list[int]:
    return [number for numbers in ids_of(scene) for number in numbers]


def test_what_moves_is_followed_within_what_the_last_step_can_say_and_keeps_its_id():
    world = World(drift=(0.4, 0.1))
    scenes = followed(world, 8, every=8)
    assert [scene.tracked for scene in scenes] == [False] + [True] * 7
    assert world.asked == [list(KINDS)] + [["lights"]] * 7, "a light's state is asked anew on every frame"
    for time, scene in enumerate(scenes):
        assert ids_of(scene) == ids_of(scenes[0]) and len(set(flat(scene))) == 5
        for name, box in (("obstacles", scene.obstacles[0].box), ("signs", scene.signs[0].box)):
            truth = next(iter(world.truth(time, name).values())).reshape(4)
            away = np.abs(LATTICE.to_cells(box.reshape(2, 2), SIZE).reshape(4) - truth)
            assert away.max() <= (0.125 if time else 0.5) + 0.01, (time, name)
    assert scenes[3].obstacles[0].score == pytest.approx(scenes[0].obstacles[0].score, abs=1e-3)


def test_every_so_many_frames_all_is_proposed_and_ids_stay():
    world = World(drift=(0.3, 0.0))
    scenes = followed(world, 7, every=3)
    assert [scene.tracked for scene in scenes] == [False, True, True, False, True, True, False]
    assert all(ids_of(scene) == ids_of(scenes[0]) for scene in scenes)


def test_what_comes_into_view_is_seen_after_so_many_frames_at_the_latest():
    truck = (2, "obstacles", "truck", [(16.5, 9.5), (19.5, 12.5)])
    for every in (1, 2, 5):
        scenes = followed(World(comes=[truck]), 10, every)
        seen = [len(scene.obstacles) == 2 for scene in scenes]
        assert seen.index(True) < 2 + every and all(seen[seen.index(True) :])
        assert sorted(o.id for o in scenes[-1].obstacles)[-1] > max(flat(scenes[0]))


def test_a_list_that_lost_something_is_proposed_on_the_same_frame():
    world = World(goes=[(2, "obstacles", "car")])
    scenes = followed(world, 4, every=10)
    assert world.asked[2] == ["obstacles", "lights"] and world.asked[3] == ["obstacles", "lights"]
    assert [len(scene.obstacles) for scene in scenes] == [1, 1, 0, 0] and scenes[2].tracked


def test_what_went_as_far_as_the_steps_reach_is_proposed_on_the_same_frame():
    world = World(drift=(3.8, 0.0))
    followed(world, 2, every=10, lists=("obstacles",))
    assert "obstacles" in world.asked[1]
    world = World(drift=(0.9, 0.0))
    followed(world, 2, every=10, lists=("obstacles",), first_step=1)
    assert "obstacles" in world.asked[1], "0.75 cells is what half and quarter steps reach"


def test_only_the_lists_named_are_carried_over():
    world = World()
    followed(world, 2, every=10, lists=("lanes", "signs"))
    assert world.asked[1] == ["drivable area", "obstacles", "lights"]


def test_lines_alone_are_carried_over_unless_told_otherwise():
    world, tracker = World(), Tracker(10)
    scenes = [perceive(Perceiver(world), tracker, picture(time)) for time in range(3)]
    assert world.asked[1:] == [["obstacles", "signs", "lights"]] * 2 and scenes[2].tracked
    assert all(ids_of(scene) == ids_of(scenes[0]) for scene in scenes), "what is proposed anew is known again"


def test_a_pause_a_clock_that_goes_back_and_another_size_begin_anew():
    perceiver = Perceiver(World())
    for stamp_ns, size in ((3 * 10**9, SIZE), (10**8, SIZE), (10**9 + 1, (256, 128))):
        tracker = Tracker(10)
        first = perceive(perceiver, tracker, picture(0), 10**9)
        again = perceive(perceiver, tracker, picture(0)[: size[1], : size[0]], stamp_ns)
        assert not again.tracked and again.lanes[0].id > max(thing.id for thing in (*first.lanes, *first.obstacles))


@pytest.mark.parametrize("cut", range(1, 8))
def test_scenes_read_back_are_all_that_is_needed_to_go_on(cut):
    world = World(drift=(0.4, 0.1), goes=[(3, "obstacles", "car")])
    whole = followed(world, 8, every=4)
    stored = [(Scene.from_json(scene.to_json()), 10**9 + at * 10**8) for at, scene in enumerate(whole[:cut])]
    tracker = Tracker(4, **WHOLE)
    tracker.resume(stored)
    rest = [perceive(Perceiver(world), tracker, picture(at), 10**9 + at * 10**8) for at in range(cut, 8)]
    for one, other in zip(rest, whole[cut:], strict=True):
        assert {**one.to_json(), "seconds": {}} == {**other.to_json(), "seconds": {}}


def test_a_scene_says_what_is_tracked_in_json_only_where_something_is():
    plain = Scene(8, 8, (Lane("curb", 0.5, np.array([[1.0, 7.0], [2.0, 3.0]])),))
    assert "tracked" not in plain.to_json() and "id" not in plain.to_json()["lanes"][0]
    marked = replace(plain, lanes=(replace(plain.lanes[0], id=7),), tracked=True)
    back = Scene.from_json(marked.to_json())
    assert back.tracked and back.lanes[0].id == 7


def test_what_the_lattice_cannot_write_is_asked_anew():
    def found(*things: Obstacle):
        before = Before(Scene(*SIZE, obstacles=things), **WHOLE)
        return carried(STANDING[2], (1, 2), before, View(SIZE, SIZE), LATTICE, VOCABULARY)

    car = Obstacle("car", 0.5, np.array([10.0, 10.0, 40.0, 30.0]), 3)
    assert found(car).ids == (3,)
    assert found() is None and found(car, car) is None, "nothing, and two that begin alike"
    assert found(*[replace(car, label=f"{n}") for n in range(TASKS["obstacles"].form.instances + 1)]) is None
    short = Before(Scene(*SIZE, lanes=(Lane("curb", 0.5, np.array([[1.0, 1.0], [2.0, 2.0]])),)), LISTS)
    assert carried(STANDING[0], (), short, View(SIZE, SIZE), LATTICE, VOCABULARY) is None


def test_a_look_carries_nothing_unless_it_is_told_to():
    world = World()
    seen = Perceiver(world).look_at([Look(picture(0))])[0]
    assert world.asked == [list(KINDS)] and not seen.scene.tracked
