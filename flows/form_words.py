"""What is wrong with what was asked for, in the words of the form: for who has filled it in, fields have titles."""

import re
from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any, TypeAlias, TypeVar, cast

from prefect.runtime import deployment
from pydantic import GetCoreSchemaHandler, ValidationError, ValidatorFunctionWrapHandler
from pydantic_core import CoreSchema, PydanticCustomError
from pydantic_core.core_schema import no_info_wrap_validator_function

from prefect_azure_batch.blocks.pool_description import first_complaint
from prefect_azure_batch.flows.arguments import FIELDS
from prefect_azure_batch.flows.asked import Asked
from prefect_azure_batch.tasks.errors import BadInput

# What stands in back quotes is to be typed.
_OPTION = re.compile(r"`[^`]*`|--[a-z]+(-[a-z]+)*")

_Flow = TypeVar("_Flow", bound=Callable[..., Any])
_Asked = TypeVar("_Asked", bound=Asked)


def in_words_of_form(text: str, asked: type[Asked]) -> str:
    """A text with the titles of fields in place of options.

    Args:
        text: what the command line would say.
        asked: has the fields.
    """

    def titled(option: re.Match[str]) -> str:
        if option[0].startswith("`"):
            return option[0]
        field = asked.model_fields.get(FIELDS.get(option[0]) or option[0].removeprefix("--").replace("-", "_"))
        return f'"{field.title}"' if field else option[0]

    return _OPTION.sub(titled, text)


class _FilledIn:
    """Has what Prefect hands on checked, and what is wrong with it told in one line."""

    def __get_pydantic_core_schema__(self, asked: type[Asked], handler: GetCoreSchemaHandler) -> CoreSchema:
        def title_of(name: str) -> str:
            field = asked.model_fields.get(name)
            return f'"{field.title}"' if field else name

        def check(value: Any, inner: ValidatorFunctionWrapHandler) -> Any:
            try:
                return inner(value)
            except ValidationError as error:
                told = in_words_of_form(first_complaint(error, title_of), asked)
            raise PydanticCustomError("form", "{told}", {"told": told})

        return no_info_wrap_validator_function(check, handler(asked))


Form: TypeAlias = Annotated[_Asked, _FilledIn()]
"""The type of what a flow is asked by."""


def naming_fields(flow_function: _Flow) -> _Flow:
    """Has a flow of a deployment tell bad input in the words of the form; it is asked by its only argument."""

    @wraps(flow_function)
    def in_words(*args: Any, **kwargs: Any) -> Any:
        try:
            return flow_function(*args, **kwargs)
        except BadInput as error:
            asked = next(iter((*args, *kwargs.values())), None)
            if deployment.id is None or type(error) is not BadInput or not isinstance(asked, Asked):
                raise
            raise BadInput(in_words_of_form(str(error), type(asked))) from error

    return cast(_Flow, in_words)
