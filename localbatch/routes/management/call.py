"""One authorised request to the management plane."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NoReturn, TypeAlias, TypeVar
from urllib.parse import quote, urlencode

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic.alias_generators import to_camel
from starlette.requests import Request
from starlette.responses import Response

from localbatch.bodies.reading import without_nulls
from localbatch.routes.management.answers import ManagementError
from localbatch.service.accounts import Accounts
from localbatch.store.accounts import AccountRecord
from localbatch.wire.formats import JsonObject

_LARGEST_BODY = 1024 * 1024
_MOST_DIGITS = 9
_OBJECTS = ("dict_type", "model_type")
LARGEST_PAGE = 1000
_SHOWN_ONLY = ("id", "name", "type", "etag", "systemData")

Kind = TypeVar("Kind", bound=BaseModel)


class ArmBody(BaseModel):
    """Base of request bodies: camelCase on the wire, JSON's types as they are."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, strict=True, extra="forbid")


class ArmResource(ArmBody):
    """Base of bodies that are resources. What ARM shows of each, and nobody can set, is passed over."""

    @model_validator(mode="before")
    @classmethod
    def _pass_over(cls, document: Any) -> Any:
        if not isinstance(document, dict):
            return document
        return {name: value for name, value in document.items() if name not in _SHOWN_ONLY}


@dataclass(frozen=True)
class ArmCall:
    """A request and the names in its path.

    Attributes:
        names: the variable parts of its path.
        query: its query by lower-case names, which ARM does not tell apart from others.
        now: the service's clock.
    """

    request: Request
    names: dict[str, str]
    query: dict[str, str]
    now: datetime

    @property
    def account(self) -> str:
        """Name of the account, in small letters."""
        return self.names["account"].lower()

    @property
    def group(self) -> str:
        """Subscription and resource group, as records name them."""
        return f"{self.names['subscription']}/{self.names['group']}"

    @property
    def base_url(self) -> str:
        """The service as the client reaches it, without a slash at the end."""
        return f"{self.request.url.scheme}://{self.request.url.netloc}"

    @property
    def base_id(self) -> str:
        """Resource id of the Batch account."""
        return f"{self.group_id}/providers/Microsoft.Batch/batchAccounts/{self.names['account']}"

    def result_link(self, path: str) -> str:
        """Makes the link by which clients ask how an operation went, from the path of its result."""
        return f"{self.base_url}{quote(path)}?api-version={self.version}"

    @property
    def group_id(self) -> str:
        """Resource id of the resource group."""
        return f"/subscriptions/{self.names['subscription']}/resourceGroups/{self.names['group']}"

    @property
    def version(self) -> str:
        """The API version it asks for."""
        return self.query["api-version"]

    def find_account(self, accounts: Accounts) -> AccountRecord:
        """Returns the account that the path names.

        Raises:
            ManagementError: there is none of that name in that resource group.
        """
        record = accounts.find(self.account)
        if record is None or not in_group(record, self.group):
            raise ManagementError(
                404,
                "ResourceNotFound",
                f"The Resource 'Microsoft.Batch/batchAccounts/{self.names['account']}' under resource group "
                f"'{self.names['group']}' was not found.",
            )
        return record

    async def read_json(self) -> JsonObject:
        """Reads the body; an empty one is an empty object.

        Raises:
            ManagementError: it is too large, or no JSON object.
        """
        raw = await self._read()
        try:
            document = json.loads(raw or b"{}", parse_constant=_refuse_constant)
            without_nulls(document)
        except (ValueError, RecursionError) as error:
            raise invalid_content(f"The body is not JSON in UTF-8: {error}") from error
        if not isinstance(document, dict):
            raise invalid_content("The body is not a JSON object.")
        return document

    async def parse(self, kind: type[Kind]) -> Kind:
        """Reads the body as a model.

        Raises:
            ManagementError: it is none.
        """
        return parse(kind, await self.read_json())

    async def _read(self) -> bytes:
        body = bytearray()
        async for piece in self.request.stream():
            body += piece
            if len(body) > _LARGEST_BODY:
                raise ManagementError(413, "RequestTooLarge", "The request body is too large.")
        return bytes(body)

    def page_of(self, items: list[JsonObject]) -> tuple[list[JsonObject], str | None]:
        """Returns the page of a list that the client wants, and the link to the next one.

        Raises:
            ManagementError: the query is refused.
        """
        begin, size = read_number(self.query.get("$skiptoken", "0")), self.page_size()
        if begin is None:
            raise ManagementError(400, "InvalidQueryParameterValue", "$skiptoken is none of this service.")
        end = begin + size
        return items[begin:end], self.next_link(str(end)) if end < len(items) else None

    def next_link(self, token: str) -> str:
        """Makes the link to the page behind this one."""
        path = self.request.scope["raw_path"].decode("latin-1")
        return f"{self.base_url}{path}?{urlencode(self.query | {'$skiptoken': token})}"

    def page_size(self) -> int:
        """Returns how many items the client wants on a page.

        Raises:
            ManagementError: it is no number from 1 to 1000.
        """
        text = self.query.get("maxresults")
        if text is None:
            return LARGEST_PAGE
        size = read_number(text)
        if size is None or not 0 < size <= LARGEST_PAGE:
            raise ManagementError(400, "InvalidQueryParameterValue", "maxresults must be a number from 1 to 1000.")
        return size


ArmHandler: TypeAlias = Callable[[ArmCall], Awaitable[Response]]


def parse(kind: type[Kind], document: JsonObject) -> Kind:
    """Reads a document as a model.

    Raises:
        ManagementError: it is none.
    """
    try:
        return kind.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    # The words of the library would name the class that reads the object.
    reason = "Input should be an object" if first["type"] in _OBJECTS else first["msg"].removeprefix("Value error, ")
    raise invalid_content(f"{where or 'body'}: {reason}.")


def read_number(text: str) -> int | None:
    """Reads a number of up to nine digits; None if it is none."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS else None


def _refuse_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a JSON number")


def in_group(record: AccountRecord, group: str) -> bool:
    """Tells whether an account is seen in a resource group, given with its subscription."""
    return record.resource_group is None or record.resource_group.lower() == group.lower()


def invalid_content(reason: str) -> ManagementError:
    """Makes the refusal of a body."""
    return ManagementError(400, "InvalidRequestContent", f"The request content was invalid: {reason}")
