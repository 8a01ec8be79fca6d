"""Tasks that are refused, with the property named."""

import pytest

from localbatch.bodies.reading import read
from localbatch.bodies.tasks import TaskBody
from localbatch.rules.tasks import check_task
from localbatch.wire.errors import ServiceError


def test_a_file_without_a_name_is_told() -> None:
    body = read(TaskBody, {"id": "t", "commandLine": "x", "resourceFiles": [{"httpUrl": "http://127.0.0.1"}]})
    with pytest.raises(ServiceError) as caught:
        check_task(body)
    assert caught.value.code == "MissingRequiredProperty"
    assert dict(caught.value.values) == {"PropertyName": "resourceFiles.0.filePath"}
