"""What every request gets: authentication, versions, headers, errors in the service's shape, never a traceback."""

import json
import re
import uuid

import pytest
from azure.batch import BatchClient
from azure.core.credentials import AzureNamedKeyCredential
from azure.core.exceptions import HttpResponseError
from azure.core.rest import HttpResponse

from localbatch.wire.connection import Endpoints
from tests.conformity.cases import VERSIONS
from tests.support.account import Account, error_code, open_account

WRONG_KEY = "d3Jvbmc="
CERTIFICATE = "/certificates(thumbprintAlgorithm=sha1,thumbprint=0123456789)"
ENTITIES = "Microsoft.Azure.Batch.Protocol.Entities.Container"


def refused(response: HttpResponse, status: int, code: str) -> dict[str, str]:
    """Checks an error's shape and returns its named values."""
    assert response.status_code == status
    assert response.headers["Content-Type"] == "application/json;odata=minimalmetadata"
    body = response.json()
    assert body["code"] == code
    assert body["odata.metadata"].endswith(f"/$metadata#{ENTITIES}.errors/@Element")
    assert body["message"]["lang"] == "en-US"
    text, request_line, time_line = body["message"]["value"].split("\n")
    assert text
    assert request_line == f"RequestId:{response.headers['request-id']}"
    assert re.fullmatch(r"Time:\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z", time_line)
    return {item["key"]: item["value"] for item in body.get("values", [])}


def test_every_response_has_the_headers_of_the_service(batch: Account) -> None:
    for response in (batch.send("GET", "/pools"), batch.send("GET", "/pools/nothing")):
        assert str(uuid.UUID(response.headers["request-id"])) == response.headers["request-id"]
        assert response.headers["DataServiceVersion"] == "3.0"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Content-Type"] == "application/json;odata=minimalmetadata"
        assert "client-request-id" not in response.headers


def test_the_first_line_of_a_refusal_says_why(batch: Account) -> None:
    answer = batch.send("GET", "/jobs/nothing")
    assert answer.reason == "The specified job does not exist."
    assert "localbatch-reason" not in answer.headers


def test_the_clients_request_id_is_echoed_if_it_asks(batch: Account) -> None:
    headers = {"client-request-id": "mine", "return-client-request-id": "true"}
    assert batch.send("GET", "/pools", headers=headers).headers["client-request-id"] == "mine"


def test_a_created_resource_is_named_and_versioned(batch: Account) -> None:
    body = {"id": "job", "poolInfo": {"poolId": "pool"}}
    response = batch.send("POST", "/jobs", json=body)
    assert (response.status_code, response.content) == (201, b"")
    assert response.headers["Location"] == response.headers["DataServiceId"]
    assert response.headers["Location"].endswith("/jobs/job")
    etag = response.headers["ETag"]
    assert re.fullmatch("0x[0-9A-F]{15}", etag)
    found = batch.send("GET", "/jobs/job")
    assert (found.headers["ETag"], found.json()["eTag"]) == (etag, etag)
    assert found.headers["Last-Modified"].endswith(" GMT")
    assert found.json()["url"] == response.headers["Location"]
    assert found.json()["odata.metadata"].endswith("/$metadata#jobs/@Element")


def test_a_wrong_key_is_refused_with_403(service: Endpoints) -> None:
    credential = AzureNamedKeyCredential("anyone", WRONG_KEY)
    client = BatchClient(service.batch_endpoint, credential, retry_total=0)
    with client, pytest.raises(HttpResponseError) as caught:
        list(client.list_pools())
    assert (caught.value.status_code, error_code(caught.value)) == (403, "AuthenticationFailed")


def test_an_account_is_the_same_in_capitals(batch: Account, service: Endpoints) -> None:
    batch.make_job()
    with open_account(service, batch.name.upper()) as same:
        assert same.client.get_job("job").id == "job"


@pytest.mark.parametrize("version", VERSIONS)
def test_known_versions_are_served(batch: Account, version: str) -> None:
    assert batch.send("GET", "/pools", version=version).status_code == 200


def test_an_unknown_version_is_refused(batch: Account) -> None:
    values = refused(batch.send("GET", "/pools", version="2019-01-01"), 400, "InvalidQueryParameterValue")
    assert values["QueryParameterName"] == "api-version"
    refused(batch.send("GET", "/pools", version=""), 400, "MissingRequiredQueryParameter")


@pytest.mark.parametrize("path", ["/nothing/here", "/", "/pools//nodes"])
def test_an_unknown_path_is_no_uri_of_the_service(batch: Account, path: str) -> None:
    refused(batch.send("GET", path), 400, "InvalidUri")


@pytest.mark.parametrize("verb", ["PATCH", "PUT", "DELETE", "OPTIONS", "TRACE"])
def test_a_known_path_with_another_verb_is_not_allowed(batch: Account, verb: str) -> None:
    refused(batch.send(verb, "/pools"), 405, "UnsupportedHttpVerb")


def test_a_head_of_what_has_none_is_not_allowed(batch: Account) -> None:
    assert batch.send("HEAD", "/jobs/job").status_code == 405


def test_an_unheard_of_verb_is_invalid(batch: Account) -> None:
    refused(batch.send("BREW", "/pools"), 400, "InvalidHttpVerb")


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/xml", "application/json; charset=latin-1", "application/jsonp", ""]
)
def test_a_body_of_another_type_is_refused(batch: Account, kind: str) -> None:
    response = batch.send("POST", "/jobs", content=json.dumps(JOB), headers={"Content-Type": kind})
    assert refused(response, 400, "InvalidHeaderValue")["HeaderName"] == "Content-Type"


@pytest.mark.parametrize(
    "kind",
    ["application/json", "application/json; odata=minimalmetadata; charset=utf-8", 'APPLICATION/JSON;charset="UTF-8"'],
)
def test_a_body_of_json_may_be_declared_in_many_ways(batch: Account, kind: str) -> None:
    response = batch.send("POST", "/jobs", content=json.dumps(JOB), headers={"Content-Type": kind})
    assert response.status_code == 201


def test_a_body_that_is_missing_is_told(batch: Account) -> None:
    response = batch.send("POST", "/pools/pool/resize")
    assert (response.status_code, response.json()["code"]) == (400, "InvalidRequestBody")
    assert "There is no body." in response.text()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b"\xff\xfe",
        b'{"id": "\\ud800"}',
        b'{"id": NaN}',
        b'{"id": "a\\u0000b"}',
        b"[" * 100_000,
    ],
)
def test_a_body_that_is_no_json_object_is_refused(batch: Account, body: bytes) -> None:
    response = batch.send("POST", "/jobs", content=body, headers={"Content-Type": "application/json"})
    refused(response, 400, "InvalidRequestBody")


def test_a_missing_property_is_named(batch: Account) -> None:
    values = refused(batch.send("POST", "/jobs", json={"id": "job"}), 400, "MissingRequiredProperty")
    assert values["PropertyName"] == "poolInfo"


def test_a_property_of_the_wrong_kind_is_named(batch: Account) -> None:
    body = {"id": "job", "poolInfo": {"poolId": "pool"}, "priority": "high"}
    values = refused(batch.send("POST", "/jobs", json=body), 400, "InvalidRequestBody")
    assert values["PropertyName"] == "priority"


def test_a_value_out_of_range_is_named(batch: Account) -> None:
    body = {"id": "job", "poolInfo": {"poolId": "pool"}, "priority": 1001}
    values = refused(batch.send("POST", "/jobs", json=body), 400, "InvalidPropertyValue")
    assert (values["PropertyName"], values["PropertyValue"]) == ("priority", "1001")


def test_a_malformed_duration_is_named(batch: Account) -> None:
    body = {"id": "job", "poolInfo": {"poolId": "pool"}, "constraints": {"maxWallClockTime": "soon"}}
    values = refused(batch.send("POST", "/jobs", json=body), 400, "InvalidRequestBody")
    assert values["PropertyName"] == "constraints.maxWallClockTime"


def test_null_counts_as_left_out(batch: Account) -> None:
    body = {"id": "job", "poolInfo": {"poolId": "pool"}, "metadata": None, "priority": None}
    assert batch.send("POST", "/jobs", json=body).status_code == 201


@pytest.mark.parametrize(
    ("nested", "name"),
    [
        ({"poolInfo": {"poolId": "pool", "fromTheFuture": {"x": [1, 2.5, "three"]}}}, "poolInfo.fromTheFuture"),
        ({"metadata": [{"name": "a", "value": "b", "kind": "c"}]}, "metadata.0.kind"),
        ({"networkConfiguration": {"subnet": "x"}}, "networkConfiguration.subnet"),
    ],
)
def test_a_property_that_does_not_exist_is_refused_at_any_depth(
    batch: Account, nested: dict[str, object], name: str
) -> None:
    body = {"id": "job", "poolInfo": {"poolId": "pool"}, **nested}
    assert refused(batch.send("POST", "/jobs", json=body), 400, "InvalidRequestBody")["PropertyName"] == name


@pytest.mark.parametrize(
    ("network", "code", "name"),
    [
        ({"subnetId": 7}, "InvalidRequestBody", "networkConfiguration.subnetId"),
        (
            {"dynamicVNetAssignmentScope": "everything"},
            *("InvalidPropertyValue", "networkConfiguration.dynamicVNetAssignmentScope"),
        ),
        (
            {"endpointConfiguration": {"inboundNATPools": {}}},
            *("InvalidRequestBody", "networkConfiguration.endpointConfiguration.inboundNATPools"),
        ),
        (
            {"publicIPAddressConfiguration": []},
            "InvalidRequestBody",
            "networkConfiguration.publicIPAddressConfiguration",
        ),
    ],
)
def test_what_is_only_echoed_has_the_right_form_too(
    batch: Account, network: dict[str, object], code: str, name: str
) -> None:
    body = {**POOL, "networkConfiguration": network}
    assert refused(batch.send("POST", "/pools", json=body), 400, code)["PropertyName"] == name


def test_words_come_back_as_the_service_writes_them(batch: Account) -> None:
    body = {**POOL, "networkConfiguration": {"dynamicVNetAssignmentScope": "NONE"}}
    assert batch.send("POST", "/pools", json=body).status_code == 201
    assert batch.send("GET", "/pools/z").json()["networkConfiguration"]["dynamicVNetAssignmentScope"] == "none"


POOL = {
    "id": "z",
    "vmSize": "standard_d2s_v3",
    "virtualMachineConfiguration": {
        "imageReference": {"publisher": "canonical", "offer": "ubuntu-24_04-lts", "sku": "server"},
        "nodeAgentSKUId": "batch.node.ubuntu 24.04",
    },
}
JOB = {"id": "job", "poolInfo": {"poolId": "z"}}
TASK = {"id": "task", "commandLine": "true"}


def make_all(batch: Account) -> None:
    for path, body in (("/pools", POOL), ("/jobs", JOB), ("/jobs/job/tasks", TASK)):
        assert batch.send("POST", path, json=body).status_code == 201


@pytest.mark.parametrize(
    ("method", "path", "body", "shown", "names"),
    [
        ("POST", "/pools", {**POOL, "id": "new"}, "/pools/z", "state url allocationState eTag resizeErrors future"),
        ("PATCH", "/pools/z", {}, "/pools/z", "id state url allocationState eTag targetDedicatedNodes future"),
        (
            *("POST", "/pools/z/updateproperties", {"metadata": [], "applicationPackageReferences": []}, "/pools/z"),
            "id state url currentDedicatedNodes vmSize",
        ),
        ("POST", "/pools/z/resize", {"targetDedicatedNodes": 0}, "/pools/z", "id state vmSize"),
        ("POST", "/jobs", {**JOB, "id": "new"}, "/jobs/job", "state url executionInfo previousState future"),
        ("PATCH", "/jobs/job", {}, "/jobs/job", "id state url executionInfo onTaskFailure displayName"),
        ("PUT", "/jobs/job", {"poolInfo": {"poolId": "z"}}, "/jobs/job", "future"),
        ("POST", "/jobs/job/disable", {"disableTasks": "wait"}, "/jobs/job", "state future"),
        ("POST", "/jobs/job/terminate", {}, "/jobs/job", "state future"),
        ("POST", "/jobs/job/tasks", {**TASK, "id": "new"}, "/jobs/job/tasks/task", "state url nodeInfo executionInfo"),
        ("PUT", "/jobs/job/tasks/task", {}, "/jobs/job/tasks/task", "future"),
    ],
)
def test_a_property_the_operation_does_not_have_is_refused_by_name(
    batch: Account, method: str, path: str, body: dict[str, object], shown: str, names: str
) -> None:
    make_all(batch)
    before = batch.send("GET", shown).json()
    for name in names.split():
        values = refused(batch.send(method, path, json={**body, name: "deleting"}), 400, "InvalidRequestBody")
        assert values["PropertyName"] == name
    after = batch.send("GET", shown).json()
    assert {name: after[name] for name in ("id", "url")} == {name: before[name] for name in ("id", "url")}
    assert batch.send("GET", "/pools/new").status_code == batch.send("GET", "/jobs/new").status_code == 404


OLDER = {"resourceTags": {"a": "b"}, "targetNodeCommunicationMode": "simplified", "certificateReferences": []}


def test_names_of_older_versions_are_taken_and_shown_in_these(batch: Account) -> None:
    version = "2024-02-01.19.0"
    assert batch.send("POST", "/pools", version=version, json={**POOL, **OLDER}).status_code == 201
    assert batch.send("GET", "/pools/z", version=version).json()["resourceTags"] == {"a": "b"}
    assert "resourceTags" not in batch.send("GET", "/pools/z").json()
    changes = {name: value for name, value in OLDER.items() if name != "resourceTags"}
    assert batch.send("PATCH", "/pools/z", version=version, json=changes).status_code == 200


@pytest.mark.parametrize("name", OLDER)
def test_names_of_older_versions_are_refused_in_the_newest(batch: Account, name: str) -> None:
    values = refused(batch.send("POST", "/pools", json={**POOL, name: OLDER[name]}), 400, "InvalidRequestBody")
    assert values["PropertyName"] == name


def test_a_resource_as_shown_replaces_itself_and_nothing_it_must_not(batch: Account) -> None:
    make_all(batch)
    for path in ("/jobs/job", "/jobs/job/tasks/task"):
        shown = batch.send("GET", path).json()
        forged = {
            **shown,
            "state": "deleting",
            "url": "http://127.0.0.1/",
            "eTag": "0xF",
            "id": "q",
            "executionInfo": {},
        }
        for body in (shown, forged):
            assert batch.send("PUT", path, json=body).status_code == 200
        found = batch.send("GET", path).json()
        assert (found["id"], found["url"]) == (shown["id"], shown["url"])
        assert found["state"] != "deleting"
        assert found["eTag"] != "0xF"


@pytest.mark.parametrize(
    ("path", "body", "name", "value"),
    [
        ("/jobs", JOB, "priority", "five"),
        ("/jobs", JOB, "priority", 5.0),
        ("/jobs", JOB, "maxParallelTasks", True),
        ("/jobs", JOB, "allowTaskPreemption", 0),
        ("/jobs", JOB, "displayName", 7),
        ("/pools", POOL, "targetDedicatedNodes", "2.0"),
        ("/pools", POOL, "enableInterNodeCommunication", 1),
        ("/pools", POOL, "enableInterNodeCommunication", "true"),
        ("/pools", POOL, "resizeTimeout", 900),
        ("/pools", POOL, "displayName", 7),
        ("/jobs/job/tasks", TASK, "requiredSlots", [1]),
        ("/jobs/job/tasks", TASK, "commandLine", 1),
    ],
)
def test_the_types_of_json_are_not_turned_into_one_another(
    batch: Account, path: str, body: dict[str, object], name: str, value: object
) -> None:
    make_all(batch)
    values = refused(batch.send("POST", path, json={**body, "id": "new", name: value}), 400, "InvalidRequestBody")
    assert values["PropertyName"] == name


def test_the_types_of_changes_are_not_turned_into_one_another_either(batch: Account) -> None:
    make_all(batch)
    for method, path, body in (
        ("PATCH", "/pools/z", {"taskSlotsPerNode": 2.0}),
        ("POST", "/pools/z/resize", {"targetDedicatedNodes": True}),
        ("PATCH", "/jobs/job", {"priority": "high"}),
        ("PUT", "/jobs/job", {"poolInfo": {"poolId": "z"}, "maxParallelTasks": ""}),
        ("PUT", "/jobs/job/tasks/task", {"constraints": {"maxTaskRetryCount": {}}}),
    ):
        refused(batch.send(method, path, json=body), 400, "InvalidRequestBody")


def test_whole_numbers_may_be_written_as_texts_as_azure_cli_does(batch: Account) -> None:
    make_all(batch)
    pool = {**POOL, "id": "new", "targetDedicatedNodes": "0", "taskSlotsPerNode": "2"}
    job = {**JOB, "id": "new", "priority": "5", "constraints": {"maxTaskRetryCount": "3"}}
    for method, path, body in (
        ("POST", "/pools", pool),
        ("POST", "/jobs", job),
        ("POST", "/jobs/new/tasks", {**TASK, "requiredSlots": "2"}),
        ("POST", "/jobs/new/addtaskcollection", {"value": [{**TASK, "id": "other", "requiredSlots": "2"}]}),
        ("PATCH", "/jobs/new", {"priority": "6"}),
        ("PUT", "/jobs/new/tasks/task", {"constraints": {"maxTaskRetryCount": "1"}}),
    ):
        assert batch.send(method, path, json=body).status_code < 300
    assert batch.client.get_pool("new").task_slots_per_node == 2
    assert batch.client.get_job("new").priority == 6
    assert [task.required_slots for task in batch.client.list_tasks("new")] == [2, 2]


def test_a_body_too_large_is_refused(batch: Account) -> None:
    body = json.dumps({"id": "job", "x": "x" * 3_000_000}).encode()
    response = batch.send("POST", "/jobs", content=body, headers={"Content-Type": "application/json"})
    refused(response, 413, "RequestBodyTooLarge")


def test_odd_names_in_paths_are_simply_not_found(batch: Account) -> None:
    for name in ("a%20b", "%2F", "%00", "%FF", "'", "x" * 3000):
        refused(batch.send("GET", f"/jobs/{name}/tasks/{name}"), 404, "JobNotFound")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *(("GET", "/certificates"), ("POST", "/certificates"), ("GET", "/pools/any/nodes/any/rdp")),
        *(("GET", "/lifetimepoolstats"), ("GET", "/lifetimejobstats")),
        *(("GET", CERTIFICATE), ("DELETE", CERTIFICATE), ("POST", f"{CERTIFICATE}/canceldelete")),
    ],
)
def test_operations_that_only_older_versions_have_are_told_apart(batch: Account, method: str, path: str) -> None:
    refused(batch.send(method, path, version="2024-02-01.19.0"), 501, "NotEmulated")
    refused(batch.send(method, path), 400, "InvalidUri")


def test_older_versions_answer_the_status_of_added_tasks_in_capitals(batch: Account) -> None:
    batch.make_job()
    for version, status in (("2025-06-01", "success"), ("2024-02-01.19.0", "Success")):
        group = {"value": [{"id": f"t{version[:4]}", "commandLine": "true"}]}
        answer = batch.send("POST", "/jobs/job/addtaskcollection", version=version, json=group)
        assert answer.json()["value"][0]["status"] == status


def test_supported_images_are_listed_and_filtered(client: BatchClient) -> None:
    images = list(client.list_supported_images(max_results=2))
    assert any("ubuntu" in image.node_agent_sku_id for image in images)
    chosen = list(client.list_supported_images(filter="nodeAgentSKUId eq 'batch.node.ubuntu 24.04'"))
    assert 0 < len(chosen) < len(images)


def test_without_packages_there_are_no_applications(client: BatchClient) -> None:
    assert list(client.list_applications()) == []
    with pytest.raises(HttpResponseError) as caught:
        client.get_application("nothing")
    assert error_code(caught.value) == "ApplicationNotFound"
