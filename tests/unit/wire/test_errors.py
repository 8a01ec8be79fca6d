"""Refusals and failures: codes, statuses, texts, bodies."""

from datetime import UTC, datetime

import pytest

from localbatch.wire.errors import (
    ERRORS,
    FAILURES,
    ServiceError,
    error_body,
    failure_info,
    invalid_property,
    invalid_query_parameter,
)

NOW = datetime(2022, 9, 6, 23, 47, 58, 417734, tzinfo=UTC)


@pytest.mark.parametrize(
    ("code", "status", "text"),
    [
        ("PoolNotFound", 404, "The specified pool does not exist."),
        ("PoolExists", 409, "The specified pool already exists."),
        ("JobExists", 409, "The specified job already exists."),
        ("InvalidPropertyValue", 400, "The value provided for one of the properties in the request body is invalid."),
        ("RequestBodyTooLarge", 413, "The size of the request body exceeds the maximum size permitted."),
    ],
)
def test_a_code_brings_its_status_and_text(code: str, status: int, text: str) -> None:
    error = ServiceError(code)
    assert (error.status, error.message, str(error)) == (status, text, f"({code}) {text}")


@pytest.mark.parametrize("code", ERRORS)
def test_every_code_has_a_status_of_refusal_and_a_reason_of_one_ascii_line(code: str) -> None:
    error = ServiceError(code)
    assert 400 <= error.status < 600
    assert error.reason == error.message
    assert error.reason.isascii()
    assert error.reason.isprintable()


def test_a_message_with_anything_in_it_makes_a_harmless_reason() -> None:
    error = ServiceError("InvalidInput", "größer\r\nSet-Cookie: x")
    assert error.reason == "gr er Set-Cookie: x"


def test_a_code_that_is_not_in_the_table_is_a_fault_of_ours() -> None:
    with pytest.raises(KeyError):
        ServiceError("NoSuchCode")


def test_a_condition_not_met_is_412_for_writes_and_304_for_reads() -> None:
    assert ServiceError("ConditionNotMet").status == 412
    read = ServiceError("ConditionNotMet", status=304)
    assert read.status == 304
    assert "read operation" in read.message


def test_the_body_of_a_refusal_is_as_the_service_writes_it() -> None:
    assert error_body(ServiceError("PoolExists"), "http://127.0.0.1:9/", "some-guid", NOW) == {
        "odata.metadata": (
            "http://127.0.0.1:9/$metadata#Microsoft.Azure.Batch.Protocol.Entities.Container.errors/@Element"
        ),
        "code": "PoolExists",
        "message": {
            "lang": "en-US",
            "value": ("The specified pool already exists.\nRequestId:some-guid\nTime:2022-09-06T23:47:58.4177340Z"),
        },
    }


def test_a_refused_property_is_named_with_its_value_and_the_reason() -> None:
    error = invalid_property("taskSlotsPerNode", 0, "It must be at least 1.")
    assert error_body(error, "http://h", "id", NOW)["values"] == [
        {"key": "PropertyName", "value": "taskSlotsPerNode"},
        {"key": "PropertyValue", "value": "0"},
        {"key": "Reason", "value": "It must be at least 1."},
    ]


def test_a_refused_query_parameter_is_named_with_its_value_and_the_reason() -> None:
    error = invalid_query_parameter("maxresults", "none", "It is not a number.")
    assert error.status == 400
    assert error.values == (
        ("QueryParameterName", "maxresults"),
        ("QueryParameterValue", "none"),
        ("Reason", "It is not a number."),
    )


@pytest.mark.parametrize("code", FAILURES)
def test_every_failure_has_a_category_of_the_wire(code: str) -> None:
    info = failure_info(code)
    assert info["category"] in ("usererror", "servererror")
    assert info["message"]
    assert "details" not in info


def test_details_of_a_failure_are_names_and_values() -> None:
    assert failure_info("FailureExitCode", [("Message", "it ended")]) == {
        "category": "usererror",
        "code": "FailureExitCode",
        "message": "The task exited with an exit code representing a failure",
        "details": [{"name": "Message", "value": "it ended"}],
    }
