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

from .scene import Fault
from .syntax import AnswerForm, Instance, Parsed, Part, enough, inverted, unlike
from .vocabulary import ANSWER, CLOSE, END_ANSWER, END_THINK, OPEN, PAD, THINK, Vocabulary

NONE = "none"
KIND_OF_OPEN = {token: kind for kind, token in OPEN.items()}


# -- write -------------------------------------------------------------------------------------------------------


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
