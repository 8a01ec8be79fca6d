"""What the command lines of the programs have in common: numbers that mean something, and words that are known."""

import argparse
import math
from collections.abc import Callable, Iterable, Sequence


def amount(text: str) -> int:
    """A whole number from 1 on."""
    return _whole(text, 1)


def amount_or_none(text: str) -> int:
    """A whole number from 0 on, where 0 leaves something out."""
    return _whole(text, 0)


def duration(text: str) -> float:
    """A time from 0 on, in the unit that the option says."""
    number = _finite(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 0 on")
    return number


def some_time(text: str) -> float:
    """A time above 0, where something is divided by it."""
    number = _finite(text)
    if number <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0")
    return number


def one_of(names: Iterable[str]) -> Callable[[str], str]:
    """A word that is a name; argparse's ``choices`` refuse that there is none, where there may be any number."""
    known = tuple(names)

    def name(text: str) -> str:
        if text not in known:
            raise argparse.ArgumentTypeError(_unknown(text, known))
        return text

    return name


def refuse_unknown(parser: argparse.ArgumentParser, words: Sequence[str], names: Iterable[str]) -> None:
    """Refuses a word that is a part of no name, and says what names there are."""
    known = list(names)
    for word in words:
        if not any(word in name for name in known):
            parser.error(_unknown(word, known))


def _unknown(word: str, names: Iterable[str]) -> str:
    return f"nothing is called {word!r}: {', '.join(map(repr, names))}"


def _whole(text: str, least: int) -> int:
    try:
        number = int(text)
    except ValueError:
        number = least - 1
    if number < least:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from {least} on")
    return number


def _finite(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise argparse.ArgumentTypeError(f"{text!r} is no finite number")
    return number
