"""What an account offers on the data plane: images, and applications by pages."""

import pytest
from azure.batch import BatchClient
from azure.core.exceptions import HttpResponseError

from localbatch.wire.connection import Endpoints
from tests.support.account import Account, error_code, error_values
from tests.support.management import GROUP, create_account, make_client


def test_supported_images_have_all_that_pools_need(client: BatchClient) -> None:
    images = list(client.list_supported_images())
    assert {image.os_type for image in images} == {"linux", "windows"}
    for image in images:
        reference = image.image_reference
        assert all((reference.publisher, reference.offer, reference.sku, reference.version))
        assert image.node_agent_sku_id.startswith("batch.node.")
    assert any("SupportsRDMAOnly" in (image.capabilities or []) for image in images)


@pytest.mark.parametrize(
    ("condition", "share"),
    [
        ("osType eq 'linux'", "some"),
        ("osType eq 'windows'", "some"),
        ("osType ne 'windows'", "some"),
        ("osType eq 'windows' and verificationType eq 'unverified'", "none"),
        ("osType ne 'other'", "all"),
        ("verificationType eq 'verified'", "some"),
        ("verificationType ne 'verified'", "some"),
        ("nodeAgentSKUId eq 'batch.node.ubuntu 24.04'", "some"),
        ("nodeAgentSKUId ne 'batch.node.ubuntu 24.04'", "some"),
        ("verificationType eq 'verified' and nodeAgentSKUId eq 'batch.node.el 9'", "some"),
    ],
)
def test_supported_images_are_filtered(client: BatchClient, condition: str, share: str) -> None:
    everything = len(list(client.list_supported_images()))
    found = len(list(client.list_supported_images(filter=condition)))
    assert share == ("all" if found == everything else "some" if found else "none")


@pytest.mark.parametrize("condition", ["sku eq 'server'", "osType gt 'linux'", "osType eq"])
def test_images_are_not_filtered_by_anything_else(client: BatchClient, condition: str) -> None:
    with pytest.raises(HttpResponseError) as caught:
        list(client.list_supported_images(filter=condition))
    assert (caught.value.status_code, error_code(caught.value)) == (400, "InvalidQueryParameterValue")
    assert error_values(caught.value)["QueryParameterName"] == "$filter"


def test_images_come_by_pages(batch: Account) -> None:
    page = batch.send("GET", "/supportedimages?maxresults=3").json()
    assert len(page["value"]) == 3
    assert "odata.nextLink" in page
    assert len(list(batch.client.list_supported_images(max_results=3))) == len(
        list(batch.client.list_supported_images())
    )


def test_applications_come_by_pages_and_are_told_apart(service: Endpoints, batch: Account) -> None:
    with make_client(service) as management:
        create_account(management, batch.name)
        for number in range(5):
            management.application.create(GROUP, batch.name, f"app{number}", {"properties": {"displayName": "An app"}})
        found = list(batch.client.list_applications(max_results=2))
        assert [application.id for application in found] == [f"app{number}" for number in range(5)]
        assert batch.client.get_application("APP3").display_name == "An app"
        assert batch.client.get_application("app3").versions == []
        with pytest.raises(HttpResponseError) as caught:
            batch.client.get_application("none")
        assert (caught.value.status_code, error_code(caught.value)) == (404, "ApplicationNotFound")
