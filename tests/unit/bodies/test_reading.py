"""Request bodies: what is read, what is refused, and with which words."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localbatch.bodies.jobs import JobBody
from localbatch.bodies.pools import PoolBody
from localbatch.bodies.reading import parse_json, read, write
from localbatch.bodies.tasks import TaskBody
from localbatch.wire.errors import ServiceError
from localbatch.wire.formats import JsonObject

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)
NAMES = ("id", "commandLine", "constraints", "resourceFiles", "environmentSettings", "poolInfo", "vmSize", "metadata")


def refusal_of(action: Callable[..., object], *arguments: object) -> str | None:
    try:
        action(*arguments)
    except ServiceError as error:
        return error.code
    return None


@given(st.binary(max_size=40))
def test_whatever_is_sent_is_read_or_refused(raw: bytes) -> None:
    assert refusal_of(parse_json, raw) in (None, "InvalidRequestBody")


@given(st.dictionaries(st.sampled_from(NAMES), JSON))
def test_whatever_json_is_sent_is_a_body_or_refused(document: JsonObject) -> None:
    for model in (TaskBody, JobBody, PoolBody):
        assert refusal_of(read, model, document) in (
            None,
            "MissingRequiredProperty",
            "InvalidPropertyValue",
            "InvalidRequestBody",
        )


def test_null_is_left_out_at_every_depth() -> None:
    assert parse_json(b'{"a": null, "b": {"c": null, "d": [{"e": null}]}}') == {"b": {"d": [{}]}}


def test_what_was_read_is_written_back_in_the_words_of_the_wire() -> None:
    document: JsonObject = {
        "id": "t",
        "commandLine": "x",
        "constraints": {"maxWallClockTime": "PT90M", "maxTaskRetryCount": 2},
        "containerSettings": {"imageName": "x", "containerHostBatchBindMounts": [{"source": "Task"}]},
    }
    expected = document | {"constraints": {"maxWallClockTime": "PT1H30M", "maxTaskRetryCount": 2}}
    assert write(read(TaskBody, document)) == expected


def test_texts_that_spell_whole_numbers_are_taken_for_them() -> None:
    document: JsonObject = {
        "id": "t",
        "commandLine": "true",
        "requiredSlots": "2",
        "constraints": {"maxTaskRetryCount": "-1"},
    }
    body = read(TaskBody, document)
    assert (body.required_slots, body.constraints.max_task_retry_count) == (2, -1)
    assert write(body)["constraints"] == {"maxTaskRetryCount": -1}
    assert document["requiredSlots"] == 2


@pytest.mark.parametrize("text", ["", "two", "1.5", "1e3", " 1", "+1", "٣", "9" * 5000])
def test_other_texts_are_no_numbers(text: str) -> None:
    document: JsonObject = {"id": "t", "commandLine": "true", "requiredSlots": text}
    assert refusal_of(read, TaskBody, document) == "InvalidRequestBody"
