"""The language as stored examples, checked in both directions: tests/golden/*.json, in token spellings.

A difference means that checkpoints trained before would be read wrongly. When that is meant, say FORMAT in the
changelog and recompute the results from the inputs that the same files hold:

    python -m tests.core.golden_test --update
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from getok_core.grammar import parse, write
from getok_core.lattice import Lattice
from getok_core.queries import PROMPT_VERSION, TASKS, SceneQuery, anchored, parse_region, question, standard_vocabulary
from getok_core.refine import Draft, offset_targets
from getok_core.syntax import AnswerForm, Instance, Part
from getok_core.vocabulary import END_ANSWER, OFFSET, offset_ids, offset_of

FOLDER = Path(__file__).parents[1] / "golden"
NAMES = ("vocabulary", "points", "answers", "drafts", "prompts")
VOCABULARY = standard_vocabulary()
LATTICE = Lattice()
SPECIAL = {spelling: token for token, spelling in enumerate(VOCABULARY.tokens[: VOCABULARY.text_start])}
Golden = dict[str, Any]


def load(name: str) -> Golden:
    return json.loads((FOLDER / f"{name}.json").read_text())


def ids_of(spelled: str) -> list[int]:
    """Token spellings mixed with text -> ids. Only tests may read text so: a user's text never becomes geometry."""
    pieces = re.split(r"(<[^<>]*>)", spelled)
    return [t for piece in pieces for t in ([SPECIAL[piece]] if piece in SPECIAL else VOCABULARY.encode_text(piece))]


# -- inputs -> results ---------------------------------------------------------------------------------------------


def vocabulary(golden: Golden) -> Golden:
    """Digests, sizes and the first id of each group."""
    made = {n: standard_vocabulary(int(n)) for n in golden["lattices"]}
    lattices = {n: {"size": one.size, "digest": one.digest} for n, one in made.items()}
    ids = {spelling: VOCABULARY.tokens.index(spelling) for spelling in golden["ids"]}
    return {"lattices": lattices, "ids": ids}


def points(golden: Golden) -> Golden:
    """Each point's code and place after 0, 1, 2 and 3 rounds."""
    size, cases = tuple(golden["image"]), []
    for case in golden["points"]:
        code = LATTICE.encode([case["xy"]], size, 3)
        cell, offsets = VOCABULARY.grid_ids(code.ij).tolist(), offset_ids(code.offsets)[0].tolist()
        places = [LATTICE.decode(code.ij, size, code.offsets[:, :r])[0].tolist() for r in range(4)]
        said = {"code": VOCABULARY.spell(cell + offsets), "after rounds": places, "clamped": bool(code.clamped[0])}
        cases.append({"name": case["name"], "xy": case["xy"], **said})
    bounds = [list(LATTICE.error_px(size, r)) for r in range(4)]
    return {"image": golden["image"], "largest error after rounds": bounds, "points": cases}


def answers(golden: Golden) -> Golden:
    """What each answer says, and what is wrong with it."""
    cases = []
    for case in golden["answers"]:
        parsed = parse(ids_of(case["answer"]), VOCABULARY, form_of(case))
        said = {
            "instances": [
                {"label": one.label, **{part.kind: part.ij.tolist() for part in one.parts}} for one in parsed.instances
            ],
            "faults": [f"{fault.kind}: {fault.detail}".removesuffix(": ") for fault in parsed.faults],
            "closed": parsed.closed,
        }
        given = {key: case[key] for key in ("name", "form", "answer") if key in case}
        cases.append({**given, **({"thought": parsed.thought} if parsed.thought else {}), **said})
    return {"answers": cases}


def form_of(case: Golden) -> AnswerForm | None:
    return AnswerForm(case["form"]["kind"], tuple(case["form"]["labels"])) if "form" in case else None


def drafts(golden: Golden) -> Golden:
    """Rounds of targets towards the truth: what a model reads, where, what it should say, and where vertices end."""
    return {"image": golden["image"], "drafts": [refined(case, golden["image"]) for case in golden["drafts"]]}


def refined(case: Golden, image: list[int]) -> Golden:
    draft = draft_of(case)
    # null stands for a vertex that belongs to nothing
    truth = [np.array([[np.nan] * 2 if xy is None else xy for xy in xys]) * 32 / image for xys in case["truth"]]
    said = []
    for rounds_left in range(case["rounds"], 0, -1):
        ids, reads = draft.sequence(VOCABULARY)
        start = ids.index(OFFSET)
        goal = np.concatenate([truth[part.instance][part.vertex] for part in draft.parts])
        at = np.concatenate([draft.uv(part) for part in draft.parts])
        offsets = offset_targets(at, goal, draft.step, rounds_left)
        said.append({
            "draft": VOCABULARY.spell(ids[start:]),
            "read at": [read - start for read in reads],
            "offsets": VOCABULARY.spell(offsets),
        })  # fmt: skip
        draft = draft.apply(offsets)
    places = [
        {"instance": part.instance, "kind": part.kind, "vertex": part.vertex.tolist(), "xy": xy.tolist()}
        for part in draft.parts
        for xy in [draft.points(part, LATTICE, image)]
    ]
    given = {key: case[key] for key in ("name", "proposal", "truth", "rounds")}
    return {**given, "said": said, "refined": places}


def draft_of(case: Golden) -> Draft:
    proposal = ids_of(case["proposal"])
    return Draft.of((), tuple(proposal), parse(proposal, VOCABULARY).instances)


def prompts(golden: Golden) -> Golden:
    """Every task's prompt and answers, and some questions in a user's words."""
    tasks = [
        {
            "task": task.name,
            "prompt": spelled_prompt(SceneQuery(task.name, "")),
            **({"anchors": spelled_prompt(anchored(SceneQuery(task.name, "")))} if task.anchors_prompt else {}),
            "kind": task.form.kind,
            "labels": len(task.form.labels) if len(task.form.labels) > 20 else list(task.form.labels),
        }
        for task in TASKS.values()
    ]
    asked = [
        {"text": case["text"], "region": case["region"], "options": case["options"], "task": query.name,
         "prompt": spelled_prompt(query, tuple(golden["image"]))}
        for case in golden["questions"]
        for query in [asked_of(case)]
    ]  # fmt: skip
    return {"version": PROMPT_VERSION, "image": golden["image"], "tasks": tasks, "questions": asked}


def asked_of(case: Golden) -> SceneQuery:
    region = parse_region(case["region"]) if case["region"] else None
    return question(case["text"], region, tuple(case["options"]))


def spelled_prompt(query: SceneQuery, size: tuple[int, int] = (1, 1)) -> list[str]:
    return [VOCABULARY.tokens[t] for t in query.prompt(VOCABULARY, LATTICE, size)]


# -- tests ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_the_stored_inputs_give_the_stored_results(name):
    golden = load(name)
    assert globals()[name](golden) == golden


@pytest.mark.parametrize("case", load("points")["points"], ids=lambda case: case["name"])
def test_a_stored_code_decodes_to_its_places(case):
    cell, *offsets = ids_of(case["code"])
    ij, size = VOCABULARY.cells([cell]), tuple(load("points")["image"])
    for r, place in enumerate(case["after rounds"]):
        moves = offset_of(np.array(offsets[:r], np.int64)).reshape(1, r, 2)
        assert LATTICE.decode(ij, size, moves).tolist() == [place]


@pytest.mark.parametrize("case", load("answers")["answers"], ids=lambda case: case["name"])
def test_stored_instances_are_written_as_the_stored_answer(case):
    kinds = ("pt", "box", "pl", "poly", "seg")
    some = [Instance(one["label"], tuple(Part(kind, np.array(one[kind])) for kind in kinds if kind in one))
            for one in case["instances"]]  # fmt: skip
    written = VOCABULARY.spell([*write(some, VOCABULARY), END_ANSWER])
    said = case["answer"].removeprefix(f"<think>{case.get('thought', '')}</think>").removeprefix("<answer>")
    assert (written == said) == (not case["faults"]), "a faulty answer is never one that we would write"


@pytest.mark.parametrize("case", load("drafts")["drafts"], ids=lambda case: case["name"])
def test_stored_offsets_lead_to_the_stored_points(case):
    draft = draft_of(case)
    for said in case["said"]:
        ids, reads = draft.sequence(VOCABULARY)
        start = ids.index(OFFSET)
        assert VOCABULARY.spell(ids[start:]) == said["draft"]
        assert [read - start for read in reads] == said["read at"]
        draft = draft.apply(np.array(ids_of(said["offsets"])))
    places = [draft.points(part, LATTICE, tuple(load("drafts")["image"])).tolist() for part in draft.parts]
    assert places == [part["xy"] for part in case["refined"]]


@pytest.mark.parametrize("case", load("prompts")["questions"], ids=lambda case: case["text"])
def test_a_stored_prompt_is_the_ids_of_its_spellings(case):
    ids = [VOCABULARY.tokens.index(spelling) for spelling in case["prompt"]]
    size = tuple(load("prompts")["image"])
    assert tuple(ids) == asked_of(case).prompt(VOCABULARY, LATTICE, size)


def dump(value: Any, indent: str = "") -> str:
    """JSON for people: whatever fits stays on one line, and lists of words are wrapped."""
    line = json.dumps(value, ensure_ascii=False)
    if len(indent + line) <= 110 or not isinstance(value, (dict, list)):
        return line
    inner = indent + "  "
    if isinstance(value, dict):
        items = [f"{json.dumps(key)}: {dump(item, inner)}" for key, item in value.items()]
        return "{\n" + ",\n".join(inner + item for item in items) + f"\n{indent}}}"
    if not any(isinstance(item, (dict, list)) for item in value):
        return _wrapped([json.dumps(item, ensure_ascii=False) for item in value], inner)
    return "[\n" + ",\n".join(inner + dump(item, inner) for item in value) + f"\n{indent}]"


def _wrapped(items: list[str], indent: str) -> str:
    lines = [indent]
    for item in items:
        if len(lines[-1] + item) > 108:
            lines.append(indent)
        lines[-1] += item + ", "
    return "[\n" + "\n".join(line.rstrip() for line in lines)[:-1] + f"\n{indent[2:]}]"


def update() -> None:
    for name in NAMES:
        (FOLDER / f"{name}.json").write_text(dump(globals()[name](load(name))) + "\n")
        print(f"recomputed {name}.json")


if __name__ == "__main__":
    if sys.argv[1:] != ["--update"]:
        sys.exit("usage: python -m tests.core.golden_test --update (recomputes tests/golden/*.json from their inputs)")
    update()
