"""Single values of request bodies that are refused."""

import pytest

from localbatch.rules.checks import check_id
from localbatch.wire.errors import ServiceError


@pytest.mark.parametrize("text", ["", "a b", "a/b", "a:b", "ä", "x" * 65, "a\n", "..", "a.b"])
def test_what_is_no_id_is_refused(text: str) -> None:
    with pytest.raises(ServiceError) as caught:
        check_id(text)
    assert dict(caught.value.values)["PropertyName"] == "id"


@pytest.mark.parametrize("text", ["a", "A_b-9", "x" * 64, "-", "_"])
def test_ids_of_letters_digits_hyphens_and_underscores_pass(text: str) -> None:
    check_id(text)
