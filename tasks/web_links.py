"""Inputs that are links of the web: nodes fetch them from where they lie.

A link may be signed by its query, as one with a SAS is. So nothing but the request that needs it has the query: what a
person calls the link, and what names its content, are made without it.
"""

from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from prefect_azure_batch.tasks.errors import BadInput
from prefect_azure_batch.tasks.names import digest
from prefect_azure_batch.tasks.records import InputItem

_SCHEMES = ("https://", "http://")
# What signs a link and may be another each time: of a SAS, of Amazon S3 and CloudFront, of Google Cloud Storage.
_SAS = {
    *("sv", "ss", "srt", "sr", "sp", "st", "se", "spr", "sip", "sig", "si", "skoid", "sktid", "skt", "ske", "sks"),
    *("skv", "saoid", "suoid", "scid", "sdd", "ses"),
}
_SIGNED_BY = _SAS | {
    *("awsaccesskeyid", "signature", "expires", "key-pair-id", "policy", "googleaccessid"),
}
_SIGNED_BY_PREFIXES = ("x-amz-", "x-goog-")


def is_link(text: str) -> bool:
    """Whether an input is named by a link."""
    return text.lower().startswith(_SCHEMES)


def without_query(link: str) -> str:
    """What a person calls a link."""
    return link.partition("#")[0].partition("?")[0]


def has_query(text: str) -> bool:
    """Whether a text is a link with a query."""
    return is_link(text) and without_query(text) != text


def is_sas(link: str) -> bool:
    """Whether the query of a link is a SAS and nothing else."""
    return all(name in _SAS for name, _ in parse_qsl(urlsplit(link).query, keep_blank_values=True))


def linked_input(link: str) -> InputItem:
    """The input that a link leads to; nobody is asked for it.

    Raises:
        BadInput: it is no link to a file.
    """
    label = without_query(link)
    try:
        parts = urlsplit(link)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise BadInput(f"The link {_before_password(label)!r} cannot be read: check its host.") from None
    if "@" in parts.netloc:
        raise BadInput(f"The link {_before_password(label)!r} holds a user's name: nodes send none, leave it out.")
    if not host or not all(character.isprintable() and character != " " for character in link):
        raise BadInput(f"The link {label!r} cannot be read: write https://host/path, a space as %20.")
    name = unquote(parts.path).rpartition("/")[2]
    if name in ("", ".", "..") or "\0" in name:
        raise BadInput(f"The link {label!r} ends in no file name.")
    return InputItem(0, label, name, url=link.partition("#")[0])


def place_of(link: str) -> str:
    """Names where a link leads to, whoever signed it: a digest."""
    parts = urlsplit(link)
    return digest(parts.scheme.lower(), parts.netloc.lower(), parts.path, *_query(parts))


def _before_password(label: str) -> str:
    scheme, _, rest = label.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"


def _query(parts: SplitResult) -> list[str]:
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    return [text for name, value in pairs if not _signs(name.lower()) for text in (name, value)]


def _signs(name: str) -> bool:
    return name in _SIGNED_BY or name.startswith(_SIGNED_BY_PREFIXES)
