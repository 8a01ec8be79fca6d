"""What pools have used."""

from dataclasses import replace

from starlette.responses import Response

from localbatch.engine.engine import Engine
from localbatch.engine.usage import lifetimes_of
from localbatch.routes.call import Call, Handler
from localbatch.routes.paging import page, page_size, skip_number
from localbatch.rules import filters
from localbatch.rules.usage import interval_start, requested_intervals, usage_metrics
from localbatch.wire.filters import compile_filter
from localbatch.wire.formats import format_time


class UsageRoutes:
    """What can be asked about usage.

    Args:
        engine: what knows the nodes and those that are gone.
    """

    def __init__(self, engine: Engine) -> None:
        self._context = engine.context

    def table(self) -> list[tuple[str, str, Handler]]:
        """Returns verb, path and handler of each operation."""
        return [("GET", "/poolusagemetrics", self._list)]

    async def _list(self, call: Call) -> Response:
        now = self._context.clock.now()
        passes = compile_filter(call.query.get("$filter", ""), filters.USAGE_METRICS)
        limit, begin = page_size(call), skip_number(call)
        intervals = requested_intervals(call.query.get("starttime"), call.query.get("endtime"), now)
        lifetimes = lifetimes_of(self._context, call.account, interval_start(intervals.start), now)
        found = [entry for entry in usage_metrics(lifetimes, intervals) if passes(entry)]
        token = str(begin + limit) if begin + limit < len(found) else None
        # The range stays the same from page to page, whatever the time.
        times = {
            "starttime": format_time(interval_start(intervals.start)),
            "endtime": format_time(interval_start(intervals.stop)),
        }
        settled = replace(call, query={**call.query, **times})
        return page(settled, "poolusagemetrics", found[begin : begin + limit], token)
