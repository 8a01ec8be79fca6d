"""What is not emulated is refused by its name."""

import pytest

from localbatch.rules.not_emulated import JOB, POOL, TASK, refuse_properties
from localbatch.wire.errors import ServiceError
from localbatch.wire.formats import JsonObject


@pytest.mark.parametrize(
    ("names", "document", "property"),
    [
        (TASK, {"authenticationTokenSettings": {"access": ["job"]}}, "authenticationTokenSettings"),
        (POOL, {"certificateReferences": [{"x": 1}]}, "certificateReferences"),
    ],
)
def test_what_is_not_emulated_is_named(names: tuple[str, ...], document: JsonObject, property: str) -> None:
    with pytest.raises(ServiceError) as caught:
        refuse_properties(document, names)
    assert caught.value.code == "UnsupportedProperty"
    assert dict(caught.value.values)["PropertyName"] == property


def test_asking_for_nothing_is_no_reason_to_refuse() -> None:
    refuse_properties({"certificateReferences": None, "userAccounts": []}, POOL)
    refuse_properties({"jobManagerTask": None, "allowTaskPreemption": False}, JOB)
