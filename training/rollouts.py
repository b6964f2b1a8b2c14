"""Groups of replies with what each earned: proposals of the first stage, refinements of the second."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from getok_core.decoding import follower
from getok_core.grammar import parse
from getok_core.protocol import Frames, Limits, Request, Sampling
from getok_core.reading import offsets_of
from getok_core.refine import Draft
from getok_core.view import RGB
from getok_core.vocabulary import DELETE, OFFSET_START, OFFSETS, Vocabulary

from .policy import Policy, Reading
from .rewarded_questions import Question
from .rewards import (
    PROPOSING,
    REFINING,
    Coarse,
    Proposal,
    Reward,
    proposal_reward,
    read,
    refinement_reward,
)

TEN = slice(DELETE, OFFSET_START + len(OFFSETS))
"""ids of `<delete>` and the nine offsets"""

Hear = Callable[[Question, NDArray[np.int64], Vocabulary, int], Proposal]
"""reads the ids (T,) of a reply to a question, in a vocabulary of n x n cells"""


@dataclass(frozen=True, eq=False)
class Group:
    """Replies to one question that are compared with each other."""

    task: str
    readings: list[Reading]
    """one that all replies share, or one a reply"""
    chosen: list[NDArray[np.int64]]
    """(T,) what each reply said at its reading's places"""
    legal: list[NDArray[np.bool_]]
    """(T, V) what it might have said; one that all share, or one a reply"""
    rewards: list[Reward]
    weights: Mapping[str, float]

    def of(self, reply: int) -> tuple[int, NDArray[np.bool_]]:
        """A reply's reading, as a place in the list, and its legal tokens."""
        return min(reply, len(self.readings) - 1), self.legal[min(reply, len(self.legal) - 1)]

    def advantages(self, floor: float = 0.05) -> NDArray[np.float64]:
        """(replies,) (r - mean) / (std + floor). The floor (ours) keeps replies that hardly differ from shouting."""
        total = np.asarray([reward.total(self.weights) for reward in self.rewards])
        return (total - total.mean()) / (total.std() + floor)


class Temper(NamedTuple):
    """How replies are drawn."""

    group: int = 8
    temperature: float = 1.0
    constrained: bool = True


# -- S1: proposals -------------------------------------------------------------------------------------------------


def hear(question: Question, ids: NDArray[np.int64], vocabulary: Vocabulary, n: int) -> Proposal:
    """A reply in grid tokens -> what it proposes."""
    return read(ids.tolist(), vocabulary, question.query.form, n)


def propose(policy: Policy, frames: Frames, questions: Sequence[Question], temper: Temper, seed: int,
            weights: Mapping[str, float] = PROPOSING, hear: Hear = hear) -> list[Group]:  # fmt: skip
    """A group of sampled proposals for each question."""
    vocabulary, manifest = policy.engine.vocabulary, policy.engine.manifest
    limits = Limits(manifest.tokens)
    requests = [
        question.request(Sampling(1, temper.temperature, seed + 1009 * index + 97 * reply, temper.constrained))
        for index, question in enumerate(questions)
        for reply in range(temper.group)
    ]
    replies = iter(zip(requests, frames.propose(requests, limits) if requests else (), strict=True))
    groups: list[Group] = []
    for question in questions:
        mine = [next(replies) for _ in range(temper.group)]
        said = [reply.ids for _, reply in mine]
        legal = [legal_of(request, ids, vocabulary, limits) for (request, _), ids in zip(mine, said, strict=True)]
        rewards = [_earned(question, hear(question, ids, vocabulary, manifest.lattice)) for ids in said]
        readings = [_reading(question, ids) for ids in said]
        groups.append(Group(question.query.name, readings, said, legal, rewards, weights))
    return groups


def _earned(question: Question, proposal: Proposal) -> Reward:
    masked = tuple(question.masked(proposal.instances))
    return proposal_reward(replace(proposal, instances=masked), question.truths)


def legal_of(request: Request, ids: NDArray[np.int64], vocabulary: Vocabulary, limits: Limits) -> NDArray[np.bool_]:
    """(T, V) the tokens that might have come at each place of a reply: what its probability is normalised over.

    From a token on that the automaton would not have allowed, every token: a server's grammar is a wider one.
    """
    automaton = follower(request, vocabulary, limits)
    masks = np.ones((len(ids), vocabulary.size), np.bool_)
    for place, token in enumerate(ids.tolist()):
        legal = automaton.legal()
        if not legal[token]:
            break
        masks[place] = legal
        automaton.advance(token)
    return masks


def _reading(question: Question, ids: NDArray[np.int64]) -> Reading:
    first = len(question.prompt) - 1
    return Reading(question.frame, [*question.prompt, *ids[:-1].tolist()], range(first, first + len(ids)))


def well_formed(policy: Policy, frames: Frames, questions: Sequence[Question], temper: Temper, seed: int = 0,
                hear: Hear = hear) -> float:  # fmt: skip
    """Share of the replies sampled without any grammar that parse without a fault; NaN of no questions."""
    groups = propose(policy, frames, questions, temper._replace(constrained=False), seed, hear=hear)
    formed = [reward.components["format"] for group in groups for reward in group.rewards]
    return float(np.mean(formed)) if formed else float("nan")


# -- S2: refinements -----------------------------------------------------------------------------------------------


def refine(policy: Policy, frames: Frames, images: Sequence[RGB], questions: Sequence[Question], temper: Temper,
           seed: int, weights: Mapping[str, float] = REFINING, rounds: int = 2) -> list[Group]:  # fmt: skip
    """A group of sampled refinements for each instance of the policy's own likeliest proposals.

    One pass reads every offset of a draft, and no offset sees another of its round: given the draft they are drawn
    independently. So an instance's offsets are compared with each other, by what the whole answer earns with them while
    its other instances say what is likeliest (ours: what one instance gained is not laid to another's account). The
    round that is asked for is drawn from the first so many; what came before it was read as the product reads it.
    """
    rng = np.random.default_rng([41, seed])
    vocabulary, n = policy.engine.vocabulary, policy.engine.manifest.lattice
    drafts = _drafts(policy, frames, questions, rng, rounds)
    sequences = [one.draft.sequence(vocabulary) for one in drafts]
    readings = [Reading(one.draft.frame, *sequence) for one, sequence in zip(drafts, sequences, strict=True)]
    with torch.no_grad():
        logits = policy.read(images, readings)
    groups: list[Group] = []
    for one, reading, row in zip(drafts, readings, logits, strict=True):
        chances = (row[:, TEN].double() / temper.temperature).softmax(-1).cpu().numpy()
        whole = Coarse.of(one.draft, one.labels, one.question.truths, n, one.rounds_left, one.question.masked)
        likeliest = offsets_of(row.cpu().numpy()).ids
        for index in whole.said:
            mine = np.flatnonzero([part.instance == index for part in one.draft.parts for _ in part.ij])
            drawn = [_drawn(chances[mine], rng) for _ in range(temper.group)]
            said = [_with(likeliest, mine, ids) for ids in drawn]
            rewards = [refinement_reward(whole, ids, masked=one.question.masked) for ids in said]
            legal = np.zeros((len(mine), vocabulary.size), np.bool_)
            legal[:, TEN] = True
            places = [reading.places[int(at)] for at in mine]
            task = one.question.query.name
            groups.append(Group(task, [reading._replace(places=places)], drawn, [legal], rewards, weights))
    return groups


class _Drafted(NamedTuple):
    """A policy's own proposal, about to be refined."""

    question: Question
    draft: Draft
    labels: list[str]
    rounds_left: int


def _drafts(policy: Policy, frames: Frames, questions: Sequence[Question], rng: np.random.Generator,
            rounds: int) -> list[_Drafted]:  # fmt: skip
    """The likeliest proposals, each refined up to a random round."""
    vocabulary, limits = policy.engine.vocabulary, Limits(policy.engine.manifest.tokens)
    requests = [question.request(Sampling()) for question in questions]
    drafted: list[_Drafted] = []
    for question, reply in zip(questions, frames.propose(requests, limits) if requests else (), strict=True):
        parsed = parse(reply.ids.tolist(), vocabulary, question.query.form)
        proposal = tuple(reply.ids.tolist()[:-1] if parsed.closed else reply.ids.tolist())
        draft = Draft.of(question.prompt, proposal, parsed.instances, frame=question.frame)
        labels = [one.label for one in parsed.instances]
        drafted.append(_Drafted(question, draft, labels, rounds - int(rng.integers(rounds))))
    for done in range(rounds - 1):  # as often on every rank: a pass over a sharded model takes all of them
        due = [at for at, one in enumerate(drafted) if one.draft.slots and rounds - one.rounds_left > done]
        for at, offsets in zip(due, frames.refine([drafted[at].draft for at in due], limits), strict=True):
            drafted[at] = drafted[at]._replace(draft=drafted[at].draft.apply(offsets.ids))
    return [one for one in drafted if one.draft.slots]


def _with(ids: NDArray[np.int64], at: NDArray[np.int64], others: NDArray[np.int64]) -> NDArray[np.int64]:
    """ids (slots,) with others in the places `at`."""
    changed = np.array(ids, np.int64)
    changed[at] = others
    return changed


def _drawn(chances: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.int64]:
    """(slots, 10) probabilities -> (slots,) ids."""
    return DELETE + (chances.cumsum(axis=1) < rng.random((len(chances), 1))).sum(axis=1).clip(0, 9)
