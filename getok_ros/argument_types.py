"""What numbers on the command line may be; an ArgumentTypeError says in one line what is none."""

from __future__ import annotations

import argparse


def rounds(text: str) -> int:
    """Of refinement, 0 to 4."""
    if not text.isdigit() or int(text) > 4:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 0 to 4")
    return int(text)


def positive(text: str) -> int:
    """A whole number of things."""
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0")
    return int(text)


def seconds(text: str) -> float:
    """0 or more, up to 1e9."""
    number = _number(text)
    if not 0 <= number < 1e9:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds")
    return number


def minutes(text: str) -> float:
    """More than 0, up to a day."""
    number = _number(text)
    if not 0 < number <= 24 * 60:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of minutes up to a day")
    return number


def camera(text: str) -> list[float]:
    """FX,FY,CX,CY in pixels, HEIGHT in metres, PITCH in rad."""
    numbers = [_number(part) for part in text.split(",")]
    if len(numbers) != 6 or not all(abs(number) < 1e6 for number in numbers) or min(*numbers[:2], numbers[4]) <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no camera: give six numbers, such as 800,800,640,360,1.4,0.03")
    return numbers


def _number(text: str) -> float:
    """NaN, which lies in no range, where the text is no number."""
    try:
        return float(text)
    except ValueError:
        return float("nan")
