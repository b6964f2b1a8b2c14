"""`getok replay --live`: the recording goes over DDS to the node, a process of its own, and what comes back is kept.

Three parties, as on a vehicle: the node is started as a user starts it; this process plays the cameras and is a client
that listens and asks. Frames keep their stamps, so that what comes back finds its frame.
"""

from __future__ import annotations

import os
import time
from argparse import Namespace
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from getok_core.errors import GetokError, ImageError
from getok_core.labels import Labels
from getok_core.queries import SceneQuery
from getok_core.scene import Answer, Scene

from .bags import IMAGE, Recorded, image_message, messages
from .live_cameras import LiveCamera, live_cameras
from .live_questions import Asker
from .node_process import NAME, NodeFailed, NodeProcess, node_command, surroundings
from .perceive import model_folder
from .progress import bar
from .recordings import RecordedFrame, Recording
from .replay_log import ReplayLog
from .replay_run import Ran, question_line

if TYPE_CHECKING:
    from .live_client import Client

SCENE_PATIENCE_S, ANSWER_PATIENCE_S = 5.0, 20.0
"""a frame whose scene, a question whose answer has not come by then counts as lost"""
STILL_S = 0.2
"""a picture of a folder without a clock stands for so long"""
QUESTIONS = 3
"""asked with --ask"""


Key = tuple[str, int]
"""name of a camera, and the stamp of one of its frames in ns"""


@dataclass(frozen=True, eq=False)
class Sent:
    """A frame on its way."""

    frame: RecordedFrame
    camera: str
    """name of the node's camera that it was sent to"""
    stamp_ns: int
    """the stamp it was sent with"""
    at_s: float
    """monotonic"""

    @property
    def key(self) -> Key:
        """By which its scene is found."""
        return self.camera, self.stamp_ns


def run_live(
    recordings: Sequence[Recording], log: ReplayLog, labels: Mapping[str, Labels], arguments: Namespace
) -> Ran:
    """Plays every frame to a node of its own and logs what comes back; see Player.

    Raises NodeFailed in one line when the node ends, or its engine does not load, or no scene or one of the three
    answers is missing; GetokError on recordings that the node's cameras cannot play.
    """
    cameras = live_cameras(recordings)
    if find_spec("rclpy") is None:
        raise GetokError("a live replay needs ROS 2: source an install, or pip install getok_ros on Linux x86-64")
    os.environ.update(surroundings(os.environ))  # before rclpy loads: this process and the node find each other alone
    model = model_folder(arguments.model[0] if arguments.model else None)
    engine = arguments.engine[0] if arguments.engine else ""
    command = node_command(
        model, arguments.device, arguments.refinements, list(cameras.values()), engine, arguments.track
    )
    with NodeProcess(command, log.out / "node.log") as node:
        from .live_client import Client

        with Client(NAME, list(cameras.values())) as client:
            node.await_engine(client)
            player = Player(client, node, log, cameras, arguments.pace == "keep", arguments.ask)
            for recording in recordings:
                player.play(recording, labels.get(recording.name))
            ran = player.finish()
    kinds = " and ".join(sorted({camera.type.rpartition("/")[2] for camera in cameras.values()}))
    through = f" through {len(cameras)} cameras" if len(cameras) > 1 else ""
    ran.notes.append(f"sent over DDS as {kinds}{through}; {player.told}")
    return ran


class Player:
    """Plays frames at their own pace, keeps what comes back in their order, and asks the questions that labels hold."""

    def __init__(
        self,
        client: Client,
        node: NodeProcess,
        log: ReplayLog,
        cameras: Mapping[str, LiveCamera],
        keep_pace: bool,
        demonstrate: bool,
    ) -> None:
        """cameras: by topic; keep_pace: never faster than scenes come back; demonstrate: ask three questions too."""
        self._client, self._node, self._log, self._cameras = client, node, log, cameras
        self._first = next(iter(cameras.values())).name
        """the camera that is asked about unless labels ask"""
        self._keep_pace, self._demonstrate = keep_pace, demonstrate
        self._ran = Ran()
        self._known: Labels | None = None
        self._sent: dict[Key, Sent] = {}
        self._last_ns: dict[str, int] = {}
        self._open: deque[Sent] = deque()
        self._asked: dict[str, tuple[SceneQuery, Key]] = {}
        self._back, self._due_s, self._before_ns = 0, time.monotonic(), -1
        self._asker: Asker | None = None

    def play(self, recording: Recording, known: Labels | None) -> None:
        """Sends the frames of one recording; known: its labels."""
        self._known = known
        if self._demonstrate and self._asker is None:
            self._asker = Asker(lambda query, stamp_ns: self._ask(query, (self._first, stamp_ns)), recording.count)
        with bar(None, recording.name, recording.count) as progress:
            for frame in recording.frames():
                try:
                    self._send(frame)
                except ImageError as error:
                    self._ran.lost.append({"frame": frame.frame, "why": str(error)})
                self._settle()
                self._node.check()
                self._look()
                progress.update()
        self._before_ns = -1
        self._ran.lost += recording.lost
        self._ran.notes += recording.notes

    def finish(self) -> Ran:
        """Waits for what is still on its way, and logs it."""
        if self._sent:
            self._client.wait(lambda: self._last_ns.items() <= self._client.scenes.keys(), SCENE_PATIENCE_S)
            self._settle(final=True)
            if self._asker is not None:
                self._asker.last_chance(len(self._sent) - 1, self._last_ns.get(self._first, 0))
        self._client.wait(lambda: len(self._client.answers) >= len(self._asked), ANSWER_PATIENCE_S)
        if not self._back:
            raise NodeFailed(f"{len(self._sent)} frames were sent and no scene came back; see {self._node.log}")
        self._log_answers()
        self._ran.frames = len(self._sent)
        return self._ran

    @property
    def told(self) -> str:
        """How many frames went and came, and how fast."""
        arrivals = [heard.at_s for heard in self._client.scenes.values()]
        spent = max(arrivals, default=0.0) - min((sent.at_s for sent in self._sent.values()), default=0.0)
        lost, pace = len(self._sent) - self._back, self._back / max(spent, 1e-6)
        return f"{len(self._sent)} sent, {self._back} scenes back, {lost} dropped by the node, {pace:.1f} scenes/s"

    def _send(self, frame: RecordedFrame) -> None:
        """Publishes the frame when it is due, and waits for its scene where the pace is kept."""
        camera = self._cameras[frame.topic].name
        message = stamped(_message(frame), self._last_ns.get(camera, 0))
        self._last_ns[camera] = message.stamp_ns
        step_s = max(message.received_ns - self._before_ns, 0) / 1e9 if self._before_ns >= 0 else 0.0
        self._due_s, self._before_ns = max(self._due_s, time.monotonic() - 0.5) + step_s, message.received_ns
        time.sleep(max(0.0, self._due_s - time.monotonic()))
        sent = Sent(frame, camera, message.stamp_ns, self._client.publish(message, camera))
        self._sent[sent.key] = sent
        self._open.append(sent)
        if self._keep_pace:
            self._client.wait(lambda: sent.key in self._client.scenes, SCENE_PATIENCE_S)

    def _settle(self, final: bool = False) -> None:
        """Logs every frame whose fate is known: its scene is there, or that of a later one of its camera."""
        while self._open and (final or self._open[0].stamp_ns <= self._newest_ns(self._open[0].camera)):
            sent = self._open.popleft()
            heard = self._client.scenes.get(sent.key)
            if heard is None or not isinstance(heard.what, Scene):
                self._log.dropped(sent.frame, self._client.model)
                continue
            self._back += 1
            self._log.add(sent.frame, self._client.model, heard.what, age_s=round(heard.at_s - sent.at_s, 4))
            truth = self._known.of(**vars(sent.frame.label_name)) if self._known else None
            for query, _ in truth.sized((heard.what.width, heard.what.height)).questions if truth else ():
                self._ask(query, sent.key)

    def _newest_ns(self, camera: str) -> int:
        newest = self._client.newest.get(camera)
        return newest.stamp_ns if newest is not None else 0

    def _look(self) -> None:
        newest = self._client.newest.get(self._first)
        if self._asker is not None and newest is not None and isinstance(newest.what, Scene):
            self._asker.look(newest.what, len(self._sent) - 1, newest.stamp_ns)

    def _ask(self, query: SceneQuery, key: Key) -> None:
        name = f"replay-{len(self._asked)}"
        self._asked[name] = query, key
        self._client.ask(name, query, *key)

    def _log_answers(self) -> None:
        missing: list[str] = []
        for name, (query, key) in self._asked.items():
            heard = self._client.answers.get(name)
            answer = heard.what if heard is not None and isinstance(heard.what, Answer) else None
            if heard is None or answer is None or not answer.answer:
                missing.append(query.text)
                continue
            frame = self._sent.get((key[0], heard.stamp_ns), self._sent[key]).frame.frame
            self._log.answer({**question_line(frame, self._client.model, query), "answer": answer.to_json()})
        if self._asker is not None and len(self._asked) - len(missing) < QUESTIONS:
            raise NodeFailed(f"no answer to {', '.join(map(repr, missing))}; see {self._node.log}")


def _message(frame: RecordedFrame) -> Recorded:
    """The frame as it was recorded; one that never was a message as a raw image, so that no pixel changes."""
    if frame.message is not None:
        return frame.message
    stamp_ns = frame.stamp_ns or round(frame.index * STILL_S * 1e9)
    raw = bytes(messages().serialize_cdr(image_message(frame.read(), stamp_ns), IMAGE))
    return Recorded("", IMAGE, stamp_ns, stamp_ns, "camera", raw)


def stamped(one: Recorded, last_ns: int) -> Recorded:
    """The same message; a stamp that repeats or goes back is replaced by the time of recording, or by the next ns."""
    if one.stamp_ns > last_ns:
        return one
    stamp = max(one.received_ns, last_ns + 1)
    sec, nanosec = divmod(stamp, 10**9)
    order: Any = "little" if one.raw[1] & 1 else "big"
    raw = one.raw[:4] + sec.to_bytes(4, order) + nanosec.to_bytes(4, order) + one.raw[12:]
    return replace(one, stamp_ns=stamp, raw=raw)
