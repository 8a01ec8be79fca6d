"""Draws counts as a bar chart: draw.py COUNTS > PICTURE.svg."""

import json
import sys
from pathlib import Path

WIDTH, HEIGHT, BAR, MARGIN = 480, 260, 36, 40


def main() -> None:
    """Draws one season."""
    path = Path(sys.argv[1])
    counts = {int(degrees): count for degrees, count in json.loads(path.read_text()).items()}
    sys.stdout.write(picture(path.stem, counts))


def picture(title: str, counts: dict[int, int]) -> str:
    """An SVG with a bar for each step of degrees."""
    highest = max(counts.values(), default=1)
    parts = [text(WIDTH / 2, 20, f"{title}: {sum(counts.values())} days", 16)]
    for place, degrees in enumerate(sorted(counts)):
        size = counts[degrees] / highest * (HEIGHT - 3 * MARGIN)
        left, top = MARGIN + place * BAR, HEIGHT - MARGIN - size
        parts.append(f'<rect x="{left}" y="{top:.1f}" width="{BAR - 4}" height="{size:.1f}" fill="#2a78b8"/>')
        parts.append(text(left + BAR / 2 - 2, top - 4, str(counts[degrees]), 11))
        parts.append(text(left + BAR / 2 - 2, HEIGHT - MARGIN + 16, f"{degrees}°", 11))
    body = "\n".join(parts)
    return f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}">\n{body}\n</svg>\n'


def text(x: float, y: float, content: str, size: int) -> str:
    """A centred text."""
    style = f'font-family="sans-serif" font-size="{size}" text-anchor="middle"'
    return f'<text x="{x:.1f}" y="{y:.1f}" {style}>{content}</text>'


if __name__ == "__main__":
    main()
