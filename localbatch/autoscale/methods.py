"""The methods of sample variables.

    GetSample(count)                          the last samples
    GetSample(start [, end] [, percent])      those of a window, and an error if there are fewer than so many percent
    GetSamplePercent(start [, end])           how many percent of a window's samples there are
    GetSamplePeriod(), Count(), HistoryBeginTime()

``start`` and ``end`` are timestamps, or time intervals that look back from now; without an end the window ends now.
"""

from collections.abc import Callable, Sequence

from localbatch.autoscale.errors import EvaluationError, InsufficientSamplesError, Place
from localbatch.autoscale.samples import Series
from localbatch.autoscale.timestamps import Interval, Timestamp
from localbatch.autoscale.values import Plain, kind_of

_EPOCH = Timestamp.parse("1970")
_SECOND = 10_000_000
_GET_SAMPLE = "(double count) or (timestamp or timeinterval start [, end] [, double percent])"
_GET_PERCENT = "(timestamp or timeinterval start [, end])"


def call_method(series: Series, name: str, arguments: Sequence[Plain], now: Timestamp, place: Place) -> Plain:
    """Calls a method.

    Args:
        series: the samples of the variable.
        name: one of ``names.METHODS``.
        arguments: the values between the parentheses.
        now: when the formula is evaluated.
        place: of the call, for errors.

    Raises:
        EvaluationError: the arguments are not those of the method.
        InsufficientSamplesError: there are fewer samples than asked for.
    """
    if name == "GetSample":
        return _get_sample(series, arguments, now, place)
    if name == "GetSamplePercent":
        start, end, percent = _window(arguments, now)
        if start is None or end is None or percent is not None:
            raise _mismatch(name, _GET_PERCENT, arguments, place)
        return series.percent(start, end)
    if arguments:
        raise _mismatch(name, "()", arguments, place)
    return _PLAIN[name](series, place)


def _get_sample(series: Series, arguments: Sequence[Plain], now: Timestamp, place: Place) -> Plain:
    match arguments:
        case [float(count)] if count >= 0:
            return series.last(int(min(count, len(series.values))))
        case [float(count)]:
            raise EvaluationError(f"expected the number of samples wanted, from 0, found {count:g}", place)
    start, end, percent = _window(arguments, now)
    if start is None or end is None:
        raise _mismatch("GetSample", _GET_SAMPLE, arguments, place)
    received = series.percent(start, end)
    if percent is not None and received < percent:
        raise _insufficient(series, f"wanted {percent:g}%, received {int(received)}%", place)
    return series.within(start, end)


def _window(arguments: Sequence[Plain], now: Timestamp) -> tuple[float | None, float | None, float | None]:
    """Reads ``start [, end] [, percent]``; start and end are None if it is something else."""
    match arguments:
        case [Timestamp() | Interval() as start]:
            return _moment(start, now), _seconds(now.ticks), None
        case [Timestamp() | Interval() as start, float(percent)]:
            return _moment(start, now), _seconds(now.ticks), percent
        case [Timestamp() | Interval() as start, Timestamp() | Interval() as end]:
            return _moment(start, now), _moment(end, now), None
        case [Timestamp() | Interval() as start, Timestamp() | Interval() as end, float(percent)]:
            return _moment(start, now), _moment(end, now), percent
    return None, None, None


def _moment(value: Timestamp | Interval, now: Timestamp) -> float:
    return _seconds(value.ticks if isinstance(value, Timestamp) else now.ticks - value.ticks)


def _seconds(ticks: int) -> float:
    return (ticks - _EPOCH.ticks) / _SECOND


def _period(series: Series, place: Place) -> Plain:
    return Interval.of(series.period * _SECOND)


def _count(series: Series, place: Place) -> Plain:
    return float(len(series.values))


def _begin(series: Series, place: Place) -> Plain:
    if not series.times:
        raise _insufficient(series, "wanted 1 sample, received 0", place)
    return Timestamp(_EPOCH.ticks + int(series.times[0] * _SECOND))


_PLAIN: dict[str, Callable[[Series, Place], Plain]] = {
    "GetSamplePeriod": _period,
    "Count": _count,
    "HistoryBeginTime": _begin,
}


def worth(series: Series, place: Place) -> float:
    """Returns what a sample variable is worth where a formula uses it as a double.

    Raises:
        InsufficientSamplesError: nothing is known of it.
    """
    value = series.worth
    if value is None:
        raise _insufficient(series, "wanted 1 sample, received 0", place)
    return value


def _insufficient(series: Series, detail: str, place: Place) -> InsufficientSamplesError:
    return InsufficientSamplesError(f"Insufficient data from data set: {series.name} {detail}", place)


def _mismatch(name: str, wanted: str, arguments: Sequence[Plain], place: Place) -> EvaluationError:
    found = ", ".join(kind_of(argument) for argument in arguments)
    return EvaluationError(f"expected {name}{wanted}, found {name}({found})", place)
