"""Values as the service writes them: ``$TargetDedicatedNodes=3;$TargetLowPriorityNodes=0;...``.

First come the sizes and the deallocation option, then one's own variables in the order of their names. Source: recorded
answers; how time intervals and fractions are written, and the limit of the length, are guesses.
"""

import math
from collections.abc import Mapping

from localbatch.autoscale.names import ALIASES, DEALLOCATION, DEDICATED, LOW_PRIORITY
from localbatch.autoscale.values import Plain

LONGEST = 32_768


def write_value(value: Plain) -> str:
    """Writes one value, of a long doubleVec no more than results have room for."""
    if isinstance(value, float):
        return _write_double(value)
    if isinstance(value, tuple):
        return f"[{','.join(map(_write_double, value[:LONGEST]))}]"
    return str(value)


def _write_double(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return format(value + 0.0, ".15g").upper()


def write_results(
    dedicated: int, low_priority: int, deallocation: str, own: Mapping[str, Plain], named: frozenset[str]
) -> str:
    """Writes the outcome of a formula, cut off where it becomes too long.

    Args:
        dedicated: the target of dedicated nodes.
        low_priority: the target of Spot nodes.
        deallocation: the deallocation option.
        own: the formula's own variables.
        named: the variables of the service that the formula has set. One that has set only old names is answered in
            old names, as in the official example.
    """
    targets = {DEDICATED: dedicated, LOW_PRIORITY: low_priority}
    aliases = [alias for alias in ALIASES if alias in named]
    if aliases and not named & targets.keys():
        targets = {alias: targets[ALIASES[alias]] for alias in aliases}
    text = ";".join((*(f"{name}={target}" for name, target in targets.items()), f"{DEALLOCATION}={deallocation}"))
    # A hundred variables may all hold the same long doubleVec.
    for name in sorted(own):
        if len(text) >= LONGEST:
            break
        text += f";{name}={write_value(own[name])}"
    return text[:LONGEST]
