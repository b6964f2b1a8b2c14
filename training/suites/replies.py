"""Questions with the model's answers beside the most frequent ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from getok_core.metrics.intervals import Interval, ratio_interval
from getok_core.metrics.tally import Block
from getok_core.queries import SceneQuery
from getok_core.scene import Answer

from .sheet import Sheet

TABLE = "questions"
MEAN = "mean of the tasks"


def add_replies(sheet: Sheet, image: int, replies: Iterable[tuple[SceneQuery, str, Answer]],
                constant: Mapping[str, str]) -> None:  # fmt: skip
    """Query, label and answer of each question about one image. Answers have no vertices: refinement plays no part."""
    for query, truth, answer in replies:
        sheet.pairs.setdefault(query.name, []).append((truth, answer.answer))
        sheet.add(TABLE, "model", image, {query.name: (float(answer.answer == truth), 1.0)})
        sheet.add(TABLE, "most frequent", image, {query.name: (float(constant.get(query.name) == truth), 1.0)})


def replies_block(sheet: Sheet, title: str) -> Block:
    """Accuracy a task and their mean; JSON also says which answer was given for which."""
    asked = {task: len(pairs) for task, pairs in sorted(sheet.pairs.items())}
    title += ", accuracy (" + ", ".join(f"{task} {count}" for task, count in asked.items()) + " asked)"
    columns = sheet.intervals(TABLE)
    for column, cells in columns.items():
        columns[column] = {task: cells[task] for task in asked} | {MEAN: _mean(sheet, column)}
    return Block(title, columns, sheet.details())


def _mean(sheet: Sheet, column: str) -> Interval:
    """Mean of the tasks' accuracies, however often each was asked; intervals over images."""
    rows = sheet.tables[TABLE][column].rows.values()
    weighed = [(image, right / len(added), 1.0 / len(added)) for added in rows for image, right, _ in added]
    images, right, weights = zip(*weighed, strict=True)
    return ratio_interval(right, weights, images)
