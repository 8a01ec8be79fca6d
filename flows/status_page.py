"""Where the status page of a local Azure is, told once at the begin of a flow run."""

import sys
from pathlib import Path

from prefect.artifacts import create_link_artifact
from prefect.runtime import flow_run

from localbatch.launcher import LocalAzure
from prefect_azure_batch.flows.telling import telling_prefect

ARTIFACT_KEY = "batch-status-page"


def tell_status_page(azure: LocalAzure) -> None:
    """Tells the link of a local Azure's status page, in a flow run: with its token on a terminal, without it in the UI.

    The token shows what the tasks do to whoever has it. A terminal has one reader, who has started the service; what
    Prefect keeps has many, and outlives the token.
    """
    page = azure.status_page
    if page is None or flow_run.id is None:
        return
    if sys.stderr.isatty():
        sys.stderr.write(f"Status page: {page}\n")
    with telling_prefect("the link of the status page"):
        create_link_artifact(
            link=page.partition("#")[0],
            link_text="Status page of the local Azure",
            key=ARTIFACT_KEY,
            description=f"The page asks for a token, which the owner of the service finds in "
            f"`{Path(azure.endpoints.root) / 'page.url'}` on the machine that runs the flow. It is gone when the local "
            "Azure has ended.",
        )
