"""One grammar: writes targets and parses answers; never raises on what a model said. FORMAT.md, section 3.

    answer   := "none" | instance ("\\n" instance)*
    instance := label? (<pt> | <box> | <pl> | <poly> | <box>? <seg>)
                each tag closed; a question may be answered in text alone

A sequence is `<think>..</think>`? `<answer>` answer `</answer>`; the wrapper may be missing when a prompt holds it.
The third face of the grammar, which tokens may come next, is automaton.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from .geometry import KINDS
from .lattice import IJ
from .scene import Fault
from .vocabulary import ANSWER, CLOSE, END_ANSWER, END_THINK, OPEN, PAD, THINK, Vocabulary

NONE = "none"
KIND_OF_OPEN = {token: kind for kind, token in OPEN.items()}


@dataclass(frozen=True)
class AnswerForm:
    """What geometry, labels and length an answer may have."""

    kind: str
    """pt, box, pl, poly, seg (a box may precede), "any", or "text": one of the labels, or free when none are given"""
    labels: tuple[str, ...] = ()
    """closed list; empty means free text, or no label, as the model likes"""
    instances: int = 16
    """largest number of instances"""
    vertices: int = 32
    """largest number of vertices in one tag"""
    may_be_none: bool = True

    def anchors(self) -> AnswerForm:
        """The list of labels and first vertices alone; each object is then its own request."""
        return AnswerForm("pt", self.labels, self.instances, 1, self.may_be_none)

    def one(self) -> AnswerForm:
        """A single instance of the same form."""
        return AnswerForm(self.kind, self.labels, 1, self.vertices, False)


@dataclass(frozen=True, eq=False)
class Part:
    """One tag of an instance."""

    kind: str
    ij: IJ
    """(N, 2) cells"""
    at: tuple[int, ...] = ()
    """index of each vertex's token in the sequence that was parsed"""


@dataclass(frozen=True, eq=False)
class Instance:
    """One line of an answer: a label and at most two tags. A text answer has no tag."""

    label: str
    parts: tuple[Part, ...] = ()
    label_at: tuple[int, ...] = ()
    """indices of the label's tokens in the sequence that was parsed"""


@dataclass(frozen=True)
class Parsed:
    instances: tuple[Instance, ...]
    faults: tuple[Fault, ...]
    closed: bool
    """an end of answer was seen"""
    thought: str = ""
    none_at: tuple[int, ...] = ()
    """indices of the word none, when that is the answer"""


# -- write -------------------------------------------------------------------------------------------------------


def distinct_vertices(ij: IJ) -> IJ:
    """Which vertices of (N, 2) cells are written: (M,) indices that leave out immediate repetition."""
    ij = np.asarray(ij, np.int64).reshape(-1, 2)
    keep = np.ones(len(ij), np.bool_)
    keep[1:] = (np.diff(ij, axis=0) != 0).any(axis=1)
    return np.flatnonzero(keep)


def enough(kind: str, ij: IJ) -> bool:
    """True when cells (N, 2) hold as many vertices as the kind needs: distinct ones, but for boxes."""
    ij = np.asarray(ij).reshape(-1, 2)
    if kind in ("pt", "box"):
        return len(ij) == KINDS[kind].least
    return len({(int(i), int(j)) for i, j in ij}) >= KINDS[kind].least


def inverted(ij: IJ) -> bool:
    """True when the second corner of a box, (2, 2) cells, lies left of or above the first; equal ones are legal."""
    return bool((np.asarray(ij)[1] < np.asarray(ij)[0]).any())


def beginning(instance: Instance) -> tuple[int | str, ...]:
    """What no other instance of an answer may share: kind and first vertex, of a box both corners; () for text."""
    if not instance.parts:
        return ()
    first = instance.parts[0]
    cells = first.ij if first.kind == "box" else first.ij[:1]
    return (first.kind, *map(int, cells.reshape(-1)))


def unlike(instances: Iterable[Instance]) -> list[bool]:
    """For each instance, whether none before it begins as it does: what a list repeats, it says once."""
    seen: set[tuple[int | str, ...]] = {()}
    fresh: list[bool] = []
    for start in map(beginning, instances):
        fresh.append(not start or start not in seen)
        seen.add(start)
    return fresh


def write(instances: Sequence[Instance], vocabulary: Vocabulary) -> list[int]:
    """Instances -> ids of the answer without its wrapper. Raises ValueError on one the grammar does not allow."""
    if not instances:
        return vocabulary.encode_text(NONE)
    if not all(unlike(instances)):
        raise ValueError("two instances of one answer begin alike: write the first of them")
    ids: list[int] = []
    for index, instance in enumerate(instances):
        ids += [vocabulary.newline] if index else []
        ids += write_instance(instance, vocabulary)
    return ids


def write_instance(instance: Instance, vocabulary: Vocabulary) -> list[int]:
    """One line. Raises ValueError on what would not be read back: see the grammar above."""
    label, kinds = instance.label, tuple(part.kind for part in instance.parts)
    if "<" in label or not label.isprintable() or label != label.strip(" "):
        raise ValueError(f"a label holds no '<', no control character and no space at its ends, got {label!r}")
    if not (label or kinds) or (len(kinds) > 1 and kinds != ("box", "seg")):
        raise ValueError(f"a line is a label, one tag, or box and seg, got label {label!r} and tags {kinds}")
    ids = vocabulary.encode_text(label)
    for part in instance.parts:
        if not enough(part.kind, part.ij):
            raise ValueError(f"too few distinct vertices for <{part.kind}>: {np.asarray(part.ij).tolist()}")
        if part.kind == "box" and inverted(part.ij):
            raise ValueError(f"a box is written top-left, bottom-right, got {np.asarray(part.ij).tolist()}")
        ids += [OPEN[part.kind], *vocabulary.grid_ids(part.ij).tolist(), CLOSE[part.kind]]
    return ids


# -- parse -------------------------------------------------------------------------------------------------------


@dataclass
class _Line:
    """Reads one line; collects what is wrong with it."""

    vocabulary: Vocabulary
    faults: list[Fault]
    label: list[int] = field(default_factory=list[int])
    label_at: list[int] = field(default_factory=list[int])
    parts: list[Part] = field(default_factory=list[Part])
    kind: str = ""
    """tag that is open"""
    vertices: list[int] = field(default_factory=list[int])
    vertices_at: list[int] = field(default_factory=list[int])
    broken: bool = False

    def blame(self, kind: str, token: int | None = None) -> None:
        self.faults.append(Fault(kind, "" if token is None else self.vocabulary.spell([token])))

    def read(self, at: int, token: int) -> None:
        if self.kind:
            self._inside(at, token)
        elif token in KIND_OF_OPEN:
            self._open(KIND_OF_OPEN[token])
        elif self.vocabulary.is_text(token) and not self.parts:
            self.label.append(token)
            self.label_at.append(at)
        else:
            self.blame("stray token", token)

    def _open(self, kind: str) -> None:
        if self.parts and not (kind == "seg" and len(self.parts) == 1 and self.parts[0].kind == "box"):
            self.blame("second geometry on one line", OPEN[kind])
            self.broken = True
        self.kind, self.vertices, self.vertices_at = kind, [], []

    def _inside(self, at: int, token: int) -> None:
        if self.vocabulary.is_grid(token):
            self.vertices.append(token)
            self.vertices_at.append(at)
        elif token == CLOSE[self.kind]:
            self._close()
        else:
            self.blame("stray token", token)
            self.broken = True

    def _close(self) -> None:
        kind, self.kind = self.kind, ""
        ij = self.vocabulary.cells(self.vertices)
        if not enough(kind, ij):
            self.blame("wrong number of vertices", OPEN[kind])
            self.broken = True
        elif kind == "box" and inverted(ij):
            self.blame("inverted box")
            self.broken = True
        else:
            self.parts.append(Part(kind, ij, tuple(self.vertices_at)))

    def finish(self) -> Instance | None:
        raw = self.vocabulary.decode_text(self.label).strip(" ")
        label = "".join(char if char.isprintable() else "\ufffd" for char in raw)
        if self.kind:
            self.blame("unclosed", OPEN[self.kind])
            return None
        if "<" in label:
            self.blame("malformed label")
            return None
        if self.broken or (not self.parts and not label):
            if not self.broken:
                self.blame("empty line")
            return None
        return Instance(label, tuple(self.parts), tuple(self.label_at))


def parse(ids: Iterable[int], vocabulary: Vocabulary, form: AnswerForm | None = None) -> Parsed:
    """Any sequence of ids -> instances and faults. Total: never raises, also on ids outside the vocabulary.

    With a form, labels outside its closed list, kinds it does not expect and instances beyond its number are faults.
    """
    tokens = [int(token) for token in ids]
    faults: list[Fault] = []
    thought, start = _thought(tokens, vocabulary, faults)
    instances: list[Instance] = []
    line, begun, closed, none_at = _Line(vocabulary, faults), False, False, ()

    for at in range(start, len(tokens)):
        token = tokens[at]
        if token == END_ANSWER:
            closed = True
            if any(rest != PAD for rest in tokens[at + 1 :]):
                faults.append(Fault("tokens after the answer"))
            break
        if token == PAD:
            continue
        begun = True
        if token == vocabulary.newline:
            _keep(line.finish(), instances)
            line = _Line(vocabulary, faults)
        else:
            line.read(at, token)
    if begun:
        _keep(line.finish(), instances)

    if len(instances) == 1 and not instances[0].parts and instances[0].label == NONE:
        none_at = instances[0].label_at
        instances = []
    kept = [one for one in instances if _conforms(one, form, faults)]
    fresh = unlike(kept)
    faults += [Fault("repeated instance", one.label) for one, new in zip(kept, fresh, strict=True) if not new]
    kept = [one for one, new in zip(kept, fresh, strict=True) if new]
    if form is not None and len(kept) > form.instances:
        faults.append(Fault("too many instances", f"{len(kept)} > {form.instances}"))
        kept = kept[: form.instances]
    return Parsed(tuple(kept), tuple(faults), closed, thought, none_at)


def _thought(tokens: list[int], vocabulary: Vocabulary, faults: list[Fault]) -> tuple[str, int]:
    """Free text before the answer, and where the answer begins."""
    start, thought = 0, ""
    if tokens[:1] == [THINK]:
        if END_THINK not in tokens:
            faults.append(Fault("unclosed", "<think>"))
            return vocabulary.decode_text(tokens), len(tokens)
        end = tokens.index(END_THINK)
        if any(vocabulary.is_grid(token) or token in KIND_OF_OPEN for token in tokens[1:end]):
            faults.append(Fault("geometry inside a thought"))
        thought, start = vocabulary.decode_text(tokens[1:end]), end + 1
    if tokens[start : start + 1] == [ANSWER]:
        start += 1
    return thought, start


def _keep(instance: Instance | None, instances: list[Instance]) -> None:
    if instance is not None:
        instances.append(instance)


def _conforms(instance: Instance, form: AnswerForm | None, faults: list[Fault]) -> bool:
    kind = " ".join(part.kind for part in instance.parts)
    if form is None or form.kind == "any":
        return True
    if not instance.parts and form.kind != "text":
        faults.append(Fault("no geometry", instance.label))
        return False
    expected = {"text": ("",), "seg": ("seg", "box seg")}.get(form.kind, (form.kind,))
    if kind not in expected:
        faults.append(Fault("unexpected geometry", kind))
        return False
    if form.labels and instance.label not in form.labels:
        faults.append(Fault("unknown label", instance.label))
        return False
    return True
