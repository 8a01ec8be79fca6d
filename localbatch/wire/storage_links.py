"""Links to a storage account by its name on Azure, such as ``https://lab.blob.core.windows.net/inputs/a.txt?sv=...``.

A shared access signature is made over the account and the path and not over the host, so that it holds wherever the
account's blobs are.
"""

import re

_ON_AZURE = re.compile(r"https?://([a-z0-9]{3,24})\.blob\.core\.windows\.net(?::443|:80)?(?=[/?]|$)", re.IGNORECASE)


def lead_home(link: str, account: str, blob_endpoint: str) -> str:
    """Leads a link to a storage account of this machine to where its Blob service is.

    Args:
        link: a link to a container or blob; it may be signed.
        account: name of the account.
        blob_endpoint: address of its Blob service, without a slash at the end.

    Returns:
        The link; one to another account or host is left alone.
    """
    found = _ON_AZURE.match(link)
    if found is None or found[1].lower() != account.lower():
        return link
    return f"{blob_endpoint}{link[found.end() :]}"
