"""Suite masks with an ideal segmenter and a scripted model: what is right scores 1, what is worse scores less."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is missing: install the training extra")

from getok_core.errors import DataError
from getok_core.geometry import Box, Mask, Seeds
from getok_core.lattice import Lattice
from getok_core.metrics.tally import Block
from getok_core.scene import Answer, Obstacle, Scene
from training import evaluate
from training.feed import synthetic
from training.questions import referred_target
from training.suites import mask_prompts, masks
from training.suites.mask_prompts import CIOU, GIOU, NOTHING, TOKENS, Said, drawn, mask_parts, prompted
from training.suites.referred import referred_of

FRAMES = [(seed, synthetic(seed, (480, 270))) for seed in (1_009_001, 1_009_002, 1_009_003)]
LATTICE = Lattice(32)


class Ideal:
    """Draws the whole of what a seed lies in, or the box's most frequent thing; `blind` draws nothing at all."""

    def __init__(self, blind: bool = False):
        self.blind = blind

    def masks(self, image, prompts):
        ids = next(frame.ids for _, frame in FRAMES if frame.image is image)
        return [Mask(self._of(ids, prompt)) for prompt in prompts]

    def _of(self, ids, prompt):
        if self.blind:
            return np.zeros(ids.shape, bool)
        if isinstance(prompt, Box):
            left, top, right, bottom = prompt.xy.reshape(4).astype(int)
            inside = ids[top:bottom, left:right]
            things = inside[inside >= 10] if (inside >= 10).any() else inside.ravel()
            return ids == np.bincount(things).argmax()
        column, row = np.clip(prompt.xy.astype(int), 0, np.array(ids.shape[::-1]) - 1).T
        return np.isin(ids, ids[row, column])


class Knowing:
    """A perceiver that says the seeds and boxes of what each expression truly means; `silent` says none."""

    def __init__(self, silent: bool = False, tasks=("referred masks",)):
        self.silent, self.lattice = silent, LATTICE
        self.manifest = SimpleNamespace(title="scripted 0", tasks=tasks)

    def look(self, image, queries, standing):
        seed, frame = next(one for one in FRAMES if one[1].image is image)
        meant = {one.expression: one.meant for one in referred_of(seed, frame)}
        return None, [self._answer(frame, () if self.silent else meant[query.text]) for query in queries]

    def _answer(self, frame, meant):
        targets = [referred_target("referred masks", frame, index, LATTICE) for index in meant]
        points = tuple(LATTICE.decode(target.seeds, frame.size) for target in targets if target)
        boxes = tuple(Obstacle("other", 1.0, frame.things[index].box) for index in meant)
        return Answer("", 1.0, points, Scene(*frame.size, obstacles=boxes))


def tables(perceiver, *decoders) -> list[Block]:
    named = {f"segmenter {at}": decoder for at, decoder in enumerate(decoders)}
    return masks.measure({0: perceiver}, named, FRAMES)


def test_true_seeds_score_as_the_model_that_says_them_and_a_blind_segmenter_scores_nothing():
    columns = tables(Knowing(), Ideal(), Ideal(blind=True))[0].columns
    assert set(columns) >= {
        "model R=0",
        "true seeds",
        "its boxes",
        "its seeds alone, united",
        "true seeds by segmenter 1",
    }
    model = columns["model R=0"]
    assert model == columns["true seeds"] and model[GIOU].value > 0.8 and model[NOTHING].value == 1
    assert columns["model R=0 by segmenter 1"][GIOU].value == 0, "exchanged without another word of the model"
    assert model[TOKENS].value >= 1 and columns["its boxes"][TOKENS].value == 2


def test_a_silent_model_is_right_where_nothing_is_meant_and_only_there():
    columns = tables(Knowing(silent=True), Ideal())[0].columns
    assert columns["model R=0"][GIOU].value == 0 and columns["model R=0"][NOTHING].value == 1
    assert np.isnan(columns["model R=0"][TOKENS].value)


def test_the_cover_is_the_best_of_the_prompts_and_says_no_more_than_it_must():
    columns = tables(Knowing(), Ideal())[1].columns
    cover = columns["greedy cover, united"]
    assert all(cover[GIOU].value >= columns[name][GIOU].value for name in ("single point", "random points"))
    assert cover[CIOU].value > 0.9 and cover[TOKENS].value == 1, "one point says all to an ideal segmenter"
    assert columns["single point"][TOKENS].value == 1 and columns["box"][TOKENS].value == 2


def test_prompts_are_the_same_again_and_none_of_a_photograph():
    seed, frame = FRAMES[0]
    one, again = (prompted(seed, frame, Ideal(), LATTICE) for _ in range(2))
    assert [(a.column, a.prompts) for a in one] == [(b.column, b.prompts) for b in again] and len(one) % 6 == 0
    photo = SimpleNamespace(ids=None)
    assert prompted(seed, photo, Ideal(), LATTICE) == []


def test_random_cells_are_different_and_inside():
    rng = np.random.default_rng(0)
    mask = np.zeros((270, 480), bool)
    mask[100:140, 200:280] = True
    cells = mask_prompts._random_cells(mask, 5, 32, rng)
    assert len(np.unique(cells, axis=0)) == 5
    assert ((cells >= [200 * 32 // 480, 100 * 32 // 270]) & (cells <= [279 * 32 // 480, 139 * 32 // 270])).all()
    assert len(mask_prompts._random_cells(mask, 999, 32, rng)) == 6 * 6


def test_masks_of_several_prompts_are_united_and_measured():
    truth = np.zeros((4, 6), bool)
    truth[:, :4] = True

    class Columns:
        def masks(self, image, prompts):
            return [Mask(np.broadcast_to(np.arange(6) == int(prompt.xy[0, 0]), (4, 6)).copy()) for prompt in prompts]

    said = Said("two", truth, tuple(Seeds(np.array([[x, 0.0]])) for x in (0, 1, 5)), 3)
    ((_, pixels),) = drawn(Columns(), np.zeros((4, 6, 3), np.uint8), [said])
    parts = mask_parts(said, pixels, by_size=True)
    assert parts[GIOU] == (pytest.approx(8 / 20), 1) and parts[CIOU] == (8, 20) and parts[TOKENS] == (3, 1)
    assert parts["gIoU of larger things"] == (0, 0)
    nothing = Said("none", np.zeros((4, 6), bool), (), 0)
    assert mask_parts(nothing, pixels) == {NOTHING: (0.0, 1)} and mask_parts(nothing, ~truth & False)[NOTHING] == (1, 1)


def test_a_model_that_names_no_masks_and_a_segmenter_that_is_none_are_refused(tmp_path, monkeypatch, capsys):
    with pytest.raises(DataError, match="was not trained on 'referred masks'"):
        tables(Knowing(tasks=()), Ideal())
    model = SimpleNamespace(perceivers=lambda remember=False: {0: Knowing()})
    monkeypatch.setattr(evaluate, "Model", lambda *given: model)
    monkeypatch.setattr(evaluate.Constant, "learned", lambda frames: None)
    arguments = ["--model", "m", "--suite", "masks", "--segmenter", str(tmp_path / "nowhere"), "--scenes", "1"]
    assert evaluate.main(arguments) == 2
    assert "no segmenter at" in capsys.readouterr().err
