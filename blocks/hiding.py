"""Values of secrets that this process has read, taken out of what it shows."""

_SHORTEST = 4
"""Of a value, or of a piece of one, that is hidden: shorter ones stand in many words."""
_SHORTEST_LINE = 8
_IN_PLACE = "***"

_known = set[str]()


def hide(value: str) -> None:
    """Has a value hidden from now on, and each of its longer lines."""
    lines = [line.strip() for line in value.splitlines()]
    _known.update(text for text in [value.strip()] if len(text) >= _SHORTEST)
    _known.update(line for line in lines if len(line) >= _SHORTEST_LINE)


def without_hidden(text: str) -> str:
    """The text without these values as they are, also those that are cut off at its beginning or end."""
    for value in sorted(_known, key=len, reverse=True):
        text = text.replace(value, _IN_PLACE)
    head = max((piece for value in _known for piece in _pieces(value) if text.startswith(value[-piece:])), default=0)
    text = _IN_PLACE + text[head:] if head else text
    tail = max((piece for value in _known for piece in _pieces(value) if text.endswith(value[:piece])), default=0)
    return text[:-tail] + _IN_PLACE if tail else text


def _pieces(value: str) -> range:
    """Lengths of what may be left of a value that is cut off."""
    return range(_SHORTEST, len(value))
