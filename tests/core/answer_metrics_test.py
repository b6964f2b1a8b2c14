"""Accuracy and confusion of answers, worked by hand."""

from __future__ import annotations

import math

import pytest

from getok_core.metrics.answers import Confusion, most_frequent

PAIRS = [("red", "red"), ("red", "red"), ("red", "blue"), ("blue", "blue"), ("none", "red"), ("none", "")]


def test_accuracy_is_the_right_part() -> None:
    confusion = Confusion.of(PAIRS)
    assert (confusion.right, confusion.asked) == (3, 6) and confusion.accuracy == 0.5


def test_balanced_accuracy_weighs_every_label_alike() -> None:
    assert Confusion.of(PAIRS).balanced == pytest.approx((2 / 3 + 1 + 0) / 3)
    assert Confusion.of([("a", "a")] * 99 + [("b", "a")]).balanced == 0.5


def test_rows_say_what_was_answered_for_what() -> None:
    rows = Confusion.of(PAIRS).rows()
    assert rows == {"red": {"red": 2, "blue": 1}, "none": {"red": 1, "": 1}, "blue": {"blue": 1}}
    assert next(iter(rows)) == "red"


def test_nothing_asked_is_no_number() -> None:
    assert math.isnan(Confusion.of([]).accuracy) and math.isnan(Confusion.of([]).balanced)


def test_the_constant_answer_is_the_commonest_label() -> None:
    assert most_frequent(["b", "a", "b"]) == "b"
    assert most_frequent(["b", "a"]) == "a"
    assert most_frequent([]) == ""
