"""Makes automations that notify: of runs with failed tasks, and of what costs without need.

    python deployments/automations.py slack-webhook/lab

The block is one of Prefect's notification blocks, named as ``prefect block ls`` does. Run again it changes what it has
made. What starts deployments stands with them, in prefect.yaml.
"""

import argparse

import httpx
from prefect.automations import Automation
from prefect.blocks.abstract import NotificationBlock
from prefect.blocks.core import Block
from prefect.events.actions import SendNotification
from prefect.events.schemas.automations import EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification

from prefect_azure_batch.flows.events import BUDGET_SPENT, LEFTOVERS_FOUND, NODES_IDLE, RUN_DONE

BODY = """{{ event.resource.name or event.resource.id }}

{% for name, value in event.payload.items() %}{{ name }}: {{ value }}
{% endfor %}"""
TRIGGERS = {
    "azure-batch: failed tasks": EventTrigger(
        posture=Posture.Reactive,
        expect={RUN_DONE},
        match=ResourceSpecification({"prefect.resource.id": "azure-batch.run.*", "azure-batch.outcome": "failed"}),
        threshold=1,
    ),
    "azure-batch: costs": EventTrigger(
        posture=Posture.Reactive,
        expect={NODES_IDLE, BUDGET_SPENT, LEFTOVERS_FOUND},
        match=ResourceSpecification({"prefect.resource.id": "azure-batch.*"}),
        threshold=1,
    ),
}


def make(block: str) -> list[str]:
    """Makes the automations, or changes those of their names.

    Args:
        block: notifies; its type and name, as ``slack-webhook/lab``.

    Returns:
        Their names.

    Raises:
        SystemExit: there is no such block.
    """
    if block.count("/") != 1:
        raise SystemExit(f"block: {block} is no name of a block: name one as slack-webhook/lab")
    try:
        notifier = Block.load(block)
    except ValueError as error:
        raise SystemExit(f"block: {error}; `prefect block ls` shows those that are there") from None
    if not isinstance(notifier, NotificationBlock):
        raise SystemExit(f"block: {block} does not notify: name one as slack-webhook/lab, microsoft-teams-webhook/lab")
    for name, trigger in TRIGGERS.items():
        notify = SendNotification(block_document_id=notifier._block_document_id, subject=name, body=BODY)
        automation = Automation(name=name, trigger=trigger, actions=[notify])
        known = _read(name)
        if known is None:
            automation.create()
        else:
            automation.id = known.id
            automation.update()
    return list(TRIGGERS)


def _read(name: str) -> Automation | None:
    try:
        return Automation.read(name=name)
    except ValueError:
        return None


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("block", help="a notification block: slack-webhook/lab")
    try:
        for made in make(parser.parse_args().block):
            print(f"Automation {made!r} is on.")
    except httpx.HTTPError as error:
        raise SystemExit(f"Prefect's server cannot be reached: {type(error).__name__}; see PREFECT_API_URL") from None
