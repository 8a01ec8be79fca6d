"""What a run can cost before it is made, and what it has cost after: arithmetic, and nothing else.

VMs are paid from the moment a pool has them until it loses them, by the second, whatever they do. What else a run costs
is not counted: disks, storage, addresses, traffic.
"""

from dataclasses import dataclass
from datetime import date

from prefect_azure_batch.blocks.pool_description import PoolDescription
from prefect_azure_batch.tasks.findings import FINE, REFUSED, UNKNOWN, Finding
from prefect_azure_batch.tasks.prices import CURRENCY, Price, Prices
from prefect_azure_batch.tasks.vm_sizes import choose_size

SHORTEST_LIFE = 1 / 60
"""Hours that a node is there at the least: no run needs one for less than a minute."""

REFRESH = "`python -m flows.prices --refresh --regions REGION` fetches prices"


@dataclass(frozen=True)
class NodeHours:
    """Hours that nodes are there, dedicated and spot ones apart."""

    dedicated: float = 0.0
    spot: float = 0.0

    def __add__(self, other: "NodeHours") -> "NodeHours":
        """All of both."""
        return NodeHours(self.dedicated + other.dedicated, self.spot + other.spot)

    def __mul__(self, hours: float) -> "NodeHours":
        """So many hours of so many nodes."""
        return NodeHours(self.dedicated * hours, self.spot * hours)

    @property
    def total(self) -> float:
        """Of both kinds."""
        return self.dedicated + self.spot

    def least(self, other: "NodeHours") -> "NodeHours":
        """The fewer of both, kind by kind."""
        return NodeHours(min(self.dedicated, other.dedicated), min(self.spot, other.spot))

    def most(self, other: "NodeHours") -> "NodeHours":
        """The more of both, kind by kind."""
        return NodeHours(max(self.dedicated, other.dedicated), max(self.spot, other.spot))

    def price(self, price: Price | None) -> float | None:
        """What they cost in USD; None if a price that it takes is not known."""
        amount = 0.0
        for hours, rate in (
            (self.dedicated, price.dedicated if price else None),
            (self.spot, price.spot if price else None),
        ):
            if hours and rate is None:
                return None
            amount += hours * (rate or 0)
        return amount

    def __str__(self) -> str:
        """In words."""
        kinds = [(self.dedicated, "dedicated"), (self.spot, "spot")]
        return " and ".join(f"{_number(hours)} {kind}" for hours, kind in kinds if hours) or "0"


@dataclass(frozen=True)
class Terms:
    """What a run may cost, and where its prices are those of.

    Attributes:
        region: of Azure; None for the one that the account's address names.
        budget: USD; None for any price.
    """

    region: str | None = None
    budget: float | None = None


@dataclass(frozen=True)
class EstimateDocument:
    """What an estimate is in JSON; prices in USD, None for what is not known."""

    vm_size: str | None
    region: str | None
    hours: float
    nodes: int
    spot_nodes: int
    least_node_hours: float
    most_node_hours: float
    most_spot_node_hours: float
    least_price: float | None
    most_price: float | None
    price_per_hour: float | None
    currency: str
    priced_on: str | None


@dataclass(frozen=True)
class Estimate:
    """What the VMs of a run can cost.

    Attributes:
        vm_size: of its nodes; None for a pool that is there already.
        region: where they are; None if nobody knows.
        hours: how long the run may take.
        nodes: all that it may have at a time.
        least: hours of nodes that it takes in any case.
        most: the same if it has all of its nodes for as long as it may take.
        rate: what a node costs; None if nobody knows.
    """

    vm_size: str | None
    region: str | None
    hours: float
    nodes: NodeHours = NodeHours()
    least: NodeHours = NodeHours()
    rate: Price | None = None

    @property
    def most(self) -> NodeHours:
        """Hours of all nodes for as long as the run may take."""
        return self.nodes * self.hours

    @property
    def least_price(self) -> float | None:
        """USD that it costs in any case; None if nobody knows."""
        return self.least.price(self.rate)

    @property
    def most_price(self) -> float | None:
        """USD that it costs at the most."""
        return self.most.price(self.rate)

    @property
    def price_per_hour(self) -> float | None:
        """USD for an hour of all nodes."""
        return self.nodes.price(self.rate)

    @property
    def unknown(self) -> str:
        """Why there is no price; empty if there is one."""
        if self.most_price is not None:
            return ""
        if self.region is None:
            return "the account's address names no region: name one with --region"
        kind = "no price" if self.rate is None or not self.nodes.spot else "no spot price"
        return f"the table has {kind} of {self.vm_size} in {self.region}: {REFRESH}"

    def lines(self) -> list[str]:
        """For people."""
        if self.vm_size is None:
            return ["Cost: nothing besides the VMs of the pool, which is there already"]
        where = f" in {self.region}" if self.region else ""
        nodes = f"Nodes: at most {self.nodes} of {self.vm_size}{where}"
        hours = f"at most {self.most} node-hours in {_number(self.hours)} h"
        if self.most_price is None or self.least_price is None or self.rate is None:
            return [nodes, f"Cost: not known, for {self.unknown}; {hours}"]
        return [
            f"{nodes}, {in_dollars(self.price_per_hour)} an hour",
            f"Cost: {in_dollars(self.least_price)} to {in_dollars(self.most_price)}, {hours}; VMs alone, by list "
            f"prices of {self.rate.priced_on}",
        ]

    def document(self) -> EstimateDocument:
        """For programs."""
        return EstimateDocument(
            vm_size=self.vm_size,
            region=self.region,
            hours=self.hours,
            nodes=int(self.nodes.dedicated),
            spot_nodes=int(self.nodes.spot),
            least_node_hours=self.least.total,
            most_node_hours=self.most.dedicated,
            most_spot_node_hours=self.most.spot,
            least_price=self.least_price,
            most_price=self.most_price,
            price_per_hour=self.price_per_hour,
            currency=CURRENCY,
            priced_on=self.rate.priced_on.isoformat() if self.rate else None,
        )


def estimate(
    description: PoolDescription, region: str | None, hours: float, prices: Prices, vm_size: str | None = None
) -> Estimate:
    """What the VMs of a run can cost.

    Args:
        description: of its pool. One that is there already costs nothing besides.
        region: of the account; None if nobody knows.
        hours: how long the run may take.
        prices: the table.
        vm_size: that was found for what the description needs; not given: the smallest usual one that has it.

    Raises:
        BadInput: no usual size has what the description needs.
    """
    if description.existing:
        return Estimate(None, region, hours)
    if vm_size is None:
        vm_size = choose_size(description.needs, None).name if description.needs else description.vm_size
    return Estimate(
        vm_size.lower(),
        region,
        hours,
        NodeHours(description.dedicated_nodes, description.spot_nodes),
        _least_nodes(description) * SHORTEST_LIFE,
        prices.find(region, vm_size),
    )


def look_at_cost(cost: Estimate, budget: float | None) -> Finding:
    """Whether a run can be had for its budget.

    Args:
        cost: what it can cost.
        budget: USD that it may cost; None for any price.
    """
    text = "; ".join(line.removeprefix("Cost: ") for line in cost.lines())
    if budget is None:
        return Finding("cost", FINE if cost.most_price is not None else UNKNOWN, text)
    if cost.vm_size is None:
        return Finding("cost", REFUSED, "--budget: the VMs of the pool are paid with or without this run: leave it out")
    if cost.most_price is None or cost.least_price is None:
        return Finding("cost", REFUSED, f"--budget: it cannot be watched, for {cost.unknown}")
    if cost.least_price > budget:
        least = in_dollars(cost.least_price)
        return Finding(
            "cost", REFUSED, f"--budget: a minute of the nodes costs {least}, more than {in_dollars(budget)}"
        )
    if cost.most_price > budget:
        text += f"; the run is ended when it has cost {in_dollars(budget)}"
    return Finding("cost", FINE, text)


def _least_nodes(description: PoolDescription) -> NodeHours:
    """Nodes that a run has in any case, for an hour each; of a pool that follows its load the cheapest ones."""
    if description.autoscale is None:
        return NodeHours(description.dedicated_nodes, description.spot_nodes)
    number = max(1, description.autoscale.min_nodes)
    spot = min(number, description.spot_nodes)
    return NodeHours(number - spot, spot)


@dataclass(frozen=True)
class PoolUse:
    """What one pool has had of nodes.

    Attributes:
        vm_size: of its nodes.
        node_hours: of them, as far as they were there for the run.
        rate: what a node costs; None if nobody knows.
    """

    vm_size: str
    node_hours: NodeHours
    rate: Price | None = None

    @property
    def price(self) -> float | None:
        """USD; None if nobody knows."""
        return self.node_hours.price(self.rate)


@dataclass(frozen=True)
class Bill:
    """What the VMs of a run have cost; in the JSON of its result it is ``cost``.

    Attributes:
        node_hours: hours of dedicated nodes, from the moment the pool had them; None for a pool that was there already.
        spot_node_hours: the same of spot nodes.
        task_node_hours: hours of nodes that tasks have taken; one of n required slots on a node of m takes n/m of it.
        idle_share: how much of the nodes' time no task has taken, 0 to 1; None if there were none.
        vm_size: of the nodes; None if there were none.
        region: where they were; None if nobody knows.
        price: what they cost by list prices; None if a price is not known.
        currency: of the price.
        priced_on: day of the oldest list price in it.
        budget: what the run was allowed to cost; None for any price.
        over_budget: it has cost that; what ran then was ended.
    """

    node_hours: float | None = 0.0
    spot_node_hours: float | None = 0.0
    task_node_hours: float = 0.0
    idle_share: float | None = None
    vm_size: str | None = None
    region: str | None = None
    price: float | None = 0.0
    currency: str = CURRENCY
    priced_on: date | None = None
    budget: float | None = None
    over_budget: bool = False

    def lines(self) -> list[str]:
        """For people."""
        tasks = f"tasks took {_number(self.task_node_hours)} node-hours"
        if self.node_hours is None or self.spot_node_hours is None:
            return [f"Cost: {tasks} of a pool that is there anyway"]
        idle = f", {self.idle_share:.0%} idle or starting" if self.idle_share is not None else ""
        hours = f"{NodeHours(self.node_hours, self.spot_node_hours)} node-hours; {tasks}{idle}"
        if self.vm_size is None:
            return ["Cost: no VM was needed"]
        if self.region is None:
            return [f"Nodes of {self.vm_size}: {hours}"]
        where = f" in {self.region}"
        ended = [f"Its budget of {in_dollars(self.budget)} is spent"] if self.over_budget else []
        if self.price is None:
            kind = "spot price" if self.priced_on else "price"
            return [f"Cost: not known, for there is no {kind} of {self.vm_size}{where}; {hours}", *ended]
        return [
            f"Cost: {in_dollars(self.price)} for {self.vm_size}{where}, by list prices of {self.priced_on}; {hours}",
            *ended,
        ]


def bill(
    uses: list[PoolUse],
    region: str | None,
    task_node_hours: float,
    *,
    is_foreign: bool = False,
    budget: float | None = None,
    over_budget: bool = False,
) -> Bill:
    """What the pools of a run have cost.

    Args:
        uses: what each of its own pools has had of nodes.
        region: where they were; None if nobody knows.
        task_node_hours: hours of nodes that tasks have taken.
        is_foreign: tasks ran on a pool that was there already.
        budget: what the run was allowed to cost.
        over_budget: it has cost that.
    """
    if is_foreign:
        return Bill(None, None, task_node_hours, region=region, price=None, budget=budget)
    hours = sum((use.node_hours for use in uses), NodeHours())
    prices = [use.price for use in uses]
    known = [price for price in prices if price is not None]
    days = [use.rate.priced_on for use in uses if use.rate]
    return Bill(
        node_hours=hours.dedicated,
        spot_node_hours=hours.spot,
        task_node_hours=task_node_hours,
        idle_share=max(0.0, 1 - task_node_hours / hours.total) if hours.total else None,
        vm_size=uses[0].vm_size if uses else None,
        region=region,
        price=sum(known) if len(known) == len(prices) else None,
        priced_on=min(days, default=None),
        budget=budget,
        over_budget=over_budget,
    )


def in_dollars(amount: float | None) -> str:
    """An amount as people read it: cents, or more digits if it is less than some."""
    if amount is None:
        return f"{CURRENCY} ?"
    digits = next((digits for digits in (2, 4) if amount == 0 or amount >= 10 ** (1 - digits)), 6)
    return f"{CURRENCY} {amount:,.{digits}f}"


def _number(number: float) -> str:
    return f"{number:,.{2 if number >= 0.1 else 5}f}".rstrip("0").rstrip(".")
