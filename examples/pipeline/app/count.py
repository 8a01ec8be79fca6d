"""Counts a station's temperatures by season and by steps of five degrees: count.py READINGS > COUNTS.

READINGS has lines such as ``2024-01-16 -3.4``; COUNTS is JSON: ``{"winter": {"-5": 3, ...}, ...}``.
"""

import json
import sys
from collections import Counter
from pathlib import Path

STEP = 5
SEASONS = ("winter", "spring", "summer", "autumn")


def main() -> None:
    """Reads one station."""
    counts = {season: Counter[int]() for season in SEASONS}
    for line in Path(sys.argv[1]).read_text().splitlines():
        date, degrees = line.split()
        season = SEASONS[int(date[5:7]) % 12 // 3]
        counts[season][int(float(degrees) // STEP) * STEP] += 1
    json.dump(counts, sys.stdout, sort_keys=True)


if __name__ == "__main__":
    main()
