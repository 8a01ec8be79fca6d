"""Temperatures as a coloured picture, and the picture as a PNG file, with NumPy and the standard library alone."""

import struct
import zlib
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.float64]

# Ten colours of the map "inferno": dark to light, evenly spaced to the eye.
INFERNO = np.array(
    [
        (0x00, 0x00, 0x04), (0x1B, 0x0C, 0x42), (0x4B, 0x0C, 0x6B), (0x78, 0x1C, 0x6D), (0xA5, 0x2C, 0x60),
        (0xCF, 0x44, 0x46), (0xED, 0x69, 0x25), (0xFB, 0x9A, 0x06), (0xF7, 0xD0, 0x3C), (0xFC, 0xFF, 0xA4),
    ]
)  # fmt: skip
SEAM_COLOUR = np.array((0x8F, 0xD8, 0xFF))
SEAM_OPACITY = 0.55
BANDS = 10
ISOTHERM_DARKNESS = 0.4
LEAST_WIDTH = 900


def paint(field: Field, seams: Iterable[tuple[slice, slice]]) -> NDArray[np.uint8]:
    """Draws temperatures with lines of equal temperature, a whole number of dots to a cell.

    Args:
        field: rows x columns.
        seams: lines to draw besides: the rows and columns of cells they run along. A line is one dot wide and lies at
            the upper or left side of its cells.

    Returns:
        Rows x columns x (red, green, blue).
    """
    dots = max(1, -(-LEAST_WIDTH // field.shape[1]))
    fine = _enlarge(_enlarge(field, dots).T, dots).T
    level = (fine - fine.min()) / (np.ptp(fine) or 1.0)
    places = np.linspace(0, 1, len(INFERNO))
    picture = np.stack([np.interp(level, places, INFERNO[:, colour]) for colour in range(3)], axis=-1)
    picture *= 1 - ISOTHERM_DARKNESS * _isotherms(level)[:, :, np.newaxis]
    for rows, columns in seams:
        line = picture[_scaled(rows, dots), _scaled(columns, dots)]
        line += SEAM_OPACITY * (SEAM_COLOUR - line)
    return picture.round().astype(np.uint8)


def png(picture: NDArray[np.uint8]) -> bytes:
    """Packs a picture as a PNG file."""
    rows, columns, _ = picture.shape
    lines = np.zeros((rows, 1 + 3 * columns), np.uint8)  # the first byte of a line says that it is not filtered
    lines[:, 1:] = picture.reshape(rows, -1)
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", columns, rows, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(lines.tobytes(), 9)),
        (b"IEND", b""),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )


def _enlarge(field: Field, dots: int) -> Field:
    """Draws each row ``dots`` times, with straight lines between the middles of the rows."""
    middle = np.clip((np.arange(len(field) * dots) + 0.5) / dots - 0.5, 0, len(field) - 1)
    above = np.minimum(middle.astype(int), len(field) - 2)
    weight = (middle - above)[:, np.newaxis]
    result: Field = field[above] * (1 - weight) + field[above + 1] * weight
    return result


def _isotherms(level: Field) -> Field:
    """How much of a dot is covered by the line, one dot wide, between two bands of equal width."""
    height = level * BANDS
    from_line = np.abs(height - np.clip(height.round(), 1, BANDS - 1))
    slope = np.hypot(*np.gradient(height))
    covered: Field = np.clip(1 - from_line / np.maximum(slope, 1e-6), 0, 1)
    return covered


def _scaled(cells: slice, dots: int) -> slice:
    if cells.start == cells.stop:
        return slice(cells.start * dots, cells.start * dots + 1)
    return slice(cells.start * dots, cells.stop * dots)
