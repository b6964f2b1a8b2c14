"""What can be said at all: the truth of rendered scenes, spelled by each codec and read back, without any model.

Lanes by the metrics of CULane and TuSimple, boxes by their size (the root of their share of the image), drivable areas
by pixels. A mask is said by points inside it: here by whether the codec has one to say, since a perfect segmenter makes
the rest of a single point.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from getok_core.assembly import box_of
from getok_core.geometry import XY, resample
from getok_core.lattice import Lattice
from getok_core.metrics.areas import overlap, union
from getok_core.metrics.boxes import box_ious
from getok_core.metrics.lanes import culane_counts, culane_ious
from getok_core.metrics.tally import Block, Part, Tally
from getok_core.metrics.tusimple import tusimple
from getok_core.queries import standard_vocabulary
from getok_core.scene import Scene
from training.targets import Frame, scene_targets

from .codecs import CODECS, Codec

LANE_VERTICES = (8, 12)
TUSIMPLE_LANES = 5
"""most lanes of an image there; what its tool makes of more is no share"""
SIZES = (("small", 0.0, 0.05), ("medium", 0.05, 0.15), ("large", 0.15, 1.01))
"""boxes: name, and from which to which root of the share of the image"""
TOKENS, READS = "tokens", "offsets"
"""written a scene with its labels and tags and lanes of 12 vertices, and offsets read in the passes after it"""


def measure(frames: Iterable[tuple[int, Frame]], codecs: Sequence[Codec] = CODECS) -> Block:
    """A column a codec, with 95 % bootstrap intervals over frames."""
    tallies = {codec.name: Tally() for codec in codecs}
    count = 0
    for seed, frame in frames:
        count += 1
        for codec in codecs:
            tallies[codec.name].add(seed, frame_parts(frame, codec))
    title = f"The codec's ceiling: {count} rendered scenes, spelled and read back without a model"
    return Block(title, {name: tally.intervals() for name, tally in tallies.items()}, {"images": count})


def frame_parts(frame: Frame, codec: Codec) -> dict[str, Part]:
    """What one frame adds to each row of a codec."""
    parts: dict[str, Part] = {}
    for vertices in LANE_VERTICES:
        parts |= _lane_parts(frame.scene, codec, vertices)
    parts |= _box_parts(frame.scene, codec)
    outlines = [
        target.uv * np.asarray(frame.size) / Lattice().n for target in scene_targets(frame, Lattice())["drivable area"]
    ]
    truth = union([area.points for area in frame.scene.drivable_areas], frame.size)
    parts["areas IoU"] = overlap(truth, union([codec.read_back(xy, frame.size) for xy in outlines], frame.size))
    parts["masks"] = _mask_part(frame, codec)
    written = [codec.read_back(xy, frame.size, corners) for xy, corners in _shapes(frame.scene, outlines)]
    spelled = sum(codec.tokens(xy, frame.size) for xy in written)
    parts[TOKENS] = spelled + _around(frame.scene), 1
    parts[READS] = codec.reads * sum(map(len, written)), 1
    return parts


def _lane_parts(scene: Scene, codec: Codec, vertices: int) -> dict[str, Part]:
    size, truths = (scene.width, scene.height), [lane.points for lane in scene.lanes]
    said = [codec.read_back(resample(line, vertices), size) for line in truths]
    said = [line for line in said if len(line) > 1]
    ious = culane_ious(truths, said, size)
    parts: dict[str, Part] = {}
    for threshold in (0.5, 0.75):
        counts = culane_counts(ious, threshold)
        row = f"lanes of {vertices} F1@{100 * threshold:.0f}"
        parts[row] = 2 * counts.hits, counts.truths + counts.drawn
    if 0 < len(truths) <= TUSIMPLE_LANES:
        parts[f"lanes of {vertices} TuSimple"] = tusimple(truths, said, size).accuracy, 1
    return parts


def _box_parts(scene: Scene, codec: Codec) -> dict[str, Part]:
    size, parts = (scene.width, scene.height), {f"boxes IoU, {name}": (0.0, 0.0) for name, _, _ in SIZES}
    for truth in _boxes(scene):
        share = float(np.sqrt(np.prod((truth[1] - truth[0]) / size)))
        row = next(f"boxes IoU, {name}" for name, low, high in SIZES if low <= share < high)
        said = box_of(codec.read_back(truth, size, corners=True), codec.least(size))
        iou = 0.0 if said is None else float(box_ious([truth.reshape(4)], [said])[0, 0])
        parts[row] = parts[row][0] + iou, parts[row][1] + 1
    return parts


def _mask_part(frame: Frame, codec: Codec) -> Part:
    """Things that a point of the codec lies in, of all with pixels to see."""
    if frame.ids is None:
        return 0.0, 0.0
    height, width = frame.ids.shape
    rows, columns = ((side * codec.places()).astype(int) for side in (height, width))
    said = set(np.unique(frame.ids[np.ix_(rows[rows < height], columns[columns < width])]).tolist())
    seen = {thing.ident for thing in frame.things} & set(np.unique(frame.ids).tolist())
    return len(seen & said), len(seen)


def _boxes(scene: Scene) -> list[XY]:
    return [one.box.reshape(2, 2) for one in (*scene.obstacles, *scene.signs, *scene.lights)]


def _shapes(scene: Scene, outlines: Sequence[XY]) -> Iterator[tuple[XY, bool]]:
    """Everything a scene's answers write, and whether it is a box."""
    yield from ((resample(lane.points, LANE_VERTICES[-1]), False) for lane in scene.lanes)
    yield from ((outline, False) for outline in outlines)
    yield from ((box, True) for box in _boxes(scene))


def _around(scene: Scene) -> int:
    """Tokens of labels, tags, line ends and ends of the five answers."""
    encode = standard_vocabulary().encode_text
    labels = [lane.label for lane in scene.lanes] + ["drivable" for _ in scene.drivable_areas]
    labels += [one.label for one in scene.obstacles] + [light.state for light in scene.lights]
    labels += [f"{sign.label} {sign.colour or 'other'} {sign.visible_state or 'clear'}" for sign in scene.signs]
    return sum(len(encode(label)) + 3 for label in labels) + 5


def markdown(block: Block) -> str:
    """The table as it is published: a line a codec, percent but for the counts, without intervals."""
    rows = list(next(iter(block.columns.values())))
    lines = [f"| {block.title.partition(':')[0]} | {' | '.join(rows)} |", "|---" * (len(rows) + 1) + "|"]
    for name, cells in block.columns.items():
        values = (cells[row].value * (1 if row in (TOKENS, READS) else 100) for row in rows)
        lines.append(f"| {name} | {' | '.join(f'{value:.0f}' for value in values)} |")
    return "\n".join(lines)
