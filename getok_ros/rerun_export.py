"""A replay for the Rerun viewer: pictures, what each model said on top, and its times as curves. Imports rerun late."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from getok_core.errors import GetokError
from getok_core.overlay import colour_of, name_of
from getok_core.scene import THINGS, DrivableArea, Lane, Scene, Thing
from getok_core.view import RGB

from .progress import bar
from .replayed import Moment, Replayed
from .scene_picture import jpeg
from .scene_recording import LABELS

APPLICATION = "getok replay"
LONG_AGO_NS = 10**18
"""the year 2001: an earlier stamp is that of a video or of a clock that was never set"""


def export(out: Path | str, path: Path | str, frames: Callable[[str], RGB | None]) -> Path:
    """Writes a replay's folder as a recording .rrd to path.

    frames: name of a frame -> (H, W, 3) RGB, or None where it cannot be read: what was said is still written. Raises
    GetokError in one line without the Rerun SDK, or where path cannot be written.
    """
    rerun, run, path = _import_rerun(Path(path)), Replayed(out), Path(path)
    if path.is_dir() or not path.parent.is_dir():
        raise GetokError(f"cannot write {path}: name a file in a folder that exists")
    stream = rerun.RecordingStream(APPLICATION, recording_id=run.out.resolve().name)
    try:
        stream.save(path, default_blueprint=_blueprint(rerun, run))
    except OSError as error:
        raise GetokError(f"cannot write {path} ({error}): choose another place") from None
    for moment in bar(run.frames, path.name, len(run.frames)):
        _log(rerun, stream, run, moment, frames(moment.frame))
    stream.flush()
    stream.disconnect()
    return path


def _log(rerun: Any, stream: Any, run: Replayed, moment: Moment, image: RGB | None) -> None:
    at = _entity(moment.camera)
    stream.set_time("frame", sequence=moment.index)
    began_ns = run.time_ns(run.frames[0])
    stream.set_time("time", duration=np.timedelta64(run.time_ns(moment) - began_ns, "ns"))
    if moment.stamp_ns > LONG_AGO_NS:
        stream.set_time("stamp", timestamp=np.datetime64(moment.stamp_ns, "ns"))
    if image is not None:
        stream.log(at, rerun.EncodedImage(contents=jpeg(image), media_type="image/jpeg"))
    said = {model: run.scene(moment.frame, model) for model in run.models}
    for name, scene in {**said, LABELS: run.truth(moment.frame)}.items():
        if scene is not None:
            _log_scene(rerun, stream, f"{at}/{_entity(name)}", scene)
            for stage, seconds in scene.seconds.items():
                stream.log(f"milliseconds/{_entity(name)}/{stage}", rerun.Scalars(1000 * seconds))


def _log_scene(rerun: Any, stream: Any, at: str, scene: Scene) -> None:
    """Lines and boxes replace those of the frame before; an empty list clears them."""
    lines: list[Thing] = [*scene.lanes, *scene.drivable_areas]
    strips = [np.concatenate([one.points, one.points[: isinstance(one, DrivableArea)]]) for one in lines
              if isinstance(one, (Lane, DrivableArea))]  # fmt: skip
    boxed = [thing for name in list(THINGS)[2:] for thing in getattr(scene, name)]
    boxes = np.array([thing.box for thing in boxed], np.float64).reshape(-1, 4)
    stream.log(f"{at}/lines", rerun.LineStrips2D(strips, **_named(lines)))
    stream.log(f"{at}/boxes", rerun.Boxes2D(array=boxes, array_format=rerun.Box2DFormat.XYXY, **_named(boxed)))
    if scene.faults:
        said = "; ".join(f"{fault.kind} {fault.detail}".strip() for fault in scene.faults)
        stream.log(f"{at}/faults", rerun.TextLog(said, level="WARN"))


def _named(things: list[Any]) -> dict[str, Any]:
    return {"labels": [name_of(thing) for thing in things], "colors": [colour_of(thing) for thing in things]}


def _blueprint(rerun: Any, run: Replayed) -> Any:
    """A view a camera and model, with the labels where there are any; the times below."""
    import rerun.blueprint as views

    rows = [
        views.Horizontal(*(
            views.Spatial2DView(
                origin=f"/{_entity(camera)}", name=f"{_titled(camera)} {model}",
                contents=["+ $origin", f"+ $origin/{_entity(model)}/**", f"+ $origin/{LABELS}/**"],
            )
            for model in run.models
        ))
        for camera in run.cameras
    ]  # fmt: skip
    times = views.TimeSeriesView(origin="milliseconds", name="milliseconds a frame")
    return views.Blueprint(views.Vertical(*rows, times, row_shares=[*(3 for _ in rows), 1]))


def _titled(camera: str) -> str:
    source, _, topic = camera.partition("#")
    return f"{source} {topic}".strip()


def _entity(name: str) -> str:
    """A name as one part of an entity path."""
    return "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in name) or "_"


def _import_rerun(path: Path) -> Any:
    try:
        import rerun
    except ImportError:
        raise GetokError(f"writing {path} needs the Rerun SDK: pip install 'getok_ros[rerun]'") from None
    return rerun
