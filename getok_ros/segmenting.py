"""--segmenter of the command line: which segmenter makes masks of what a model named."""

from __future__ import annotations

from argparse import Namespace

from getok_core.geometry import Box
from getok_core.masked import Masked, Named, masked
from getok_core.protocol import MaskDecoder
from getok_core.queries import SceneQuery
from getok_core.scene import Scene
from getok_core.view import RGB

from .share import default_segmenter


def segmenter_of(arguments: Namespace, query: SceneQuery | None = None) -> MaskDecoder | None:
    """That of --segmenter; else, for a question that is answered by seeds, the one that comes with getok, if any.

    Raises ModelError in one line.
    """
    wanted = query is not None and query.form.kind == "seg" and (default_segmenter() / "manifest.json").is_file()
    if arguments.segmenter is None and not wanted:
        return None
    from getok_core.engines.segmenters import load_segmenter

    device = "cuda" if arguments.device == "cuda" else "cpu"
    return load_segmenter(arguments.segmenter or default_segmenter(), device)


def masked_boxes(segmenter: MaskDecoder, image: RGB, scene: Scene) -> list[Masked]:
    """The masks of a scene's obstacles in an image (H, W, 3), each prompted by its box, near to far."""
    drawable = [one for one in scene.obstacles if one.box[2] > one.box[0] and one.box[3] > one.box[1]]
    boxed: list[Named] = [(one.label, one.score, Box.of(one.box.tolist())) for one in drawable]
    return masked(segmenter, image, boxed)
