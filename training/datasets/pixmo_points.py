"""PixMo-Points as JSON Lines: image_url, image_sha256, label, count, points [{"x", "y"}], collection_method.

The set comes as Parquet; write it out once:
    python -c "import datasets; datasets.load_dataset('allenai/pixmo-points', split='train').to_json('points.jsonl')"
x and y are per cent of the image's width and height, whatever the set's card says. Images are downloaded by the user:
the folder --images holds them under their image_sha256, with any suffix, or under the name in a field "image".
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from getok_core.labels.fields import as_list, as_numbers, as_object

from .categories import MOST, nearest_first
from .sample import Sample, sample_of
from .source import Source
from .wording import POINT, asked, label_of


def convert(source: Source) -> Iterator[Sample]:
    """All lines whose image is there; at most MOST points, for an answer holds no more."""
    folder = source.images

    @cache
    def by_hash() -> dict[str, str]:
        return {file.stem: file.name for file in folder.iterdir()} if folder and folder.is_dir() else {}

    def samples(record: Any) -> Iterator[Sample]:
        one = as_object(record, "a record")
        image = str(one["image"]) if isinstance(one.get("image"), str) else by_hash().get(str(one["image_sha256"]), "")
        if not image:
            raise ValueError(f"no image {one['image_sha256']!r} in the folder given with --images")
        size = source.size(image)
        points = [as_numbers([point["x"], point["y"]], "a point") for point in as_list(one["points"], "points")]
        if len(points) > MOST:
            raise ValueError(f"{len(points)} points: an answer holds at most {MOST}")
        if not all(0 <= value <= 100 for point in points for value in point):
            raise ValueError("a point lies outside 0 to 100 per cent")
        label = label_of(one["label"])
        found = [{"label": label, "point": [x / 100 * size[0], y / 100 * size[1]]} for x, y in points]
        about = f"pixmo_points:{Path(image).stem}"
        yield sample_of(image, size, {"text": asked(POINT, one["label"])}, "pt", nearest_first(found), source=about)

    return source.each(source.records(), samples)
