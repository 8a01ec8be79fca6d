"""The words of the two planes for the same pool."""

import pytest

from localbatch.routes.management.pool_words import to_arm, to_batch
from localbatch.wire.formats import JsonObject

PAIRS: list[tuple[JsonObject, JsonObject]] = [
    ({"nodeAgentSkuId": "batch.node.ubuntu 24.04"}, {"nodeAgentSKUId": "batch.node.ubuntu 24.04"}),
    ({"imageReference": {"id": "/i"}}, {"imageReference": {"virtualMachineImageId": "/i"}}),
    ({"serviceArtifactReference": {"id": "/i"}}, {"serviceArtifactReference": {"id": "/i"}}),
    (
        {"userIdentity": {"userName": "me", "autoUser": {"scope": "Task", "elevationLevel": "NonAdmin"}}},
        {"userIdentity": {"username": "me", "autoUser": {"scope": "task", "elevationLevel": "nonadmin"}}},
    ),
    ({"containerRegistries": [{"username": "me"}]}, {"containerRegistries": [{"username": "me"}]}),
    (
        {"mountConfiguration": [{"cifsMountConfiguration": {"userName": "me"}}]},
        {"mountConfiguration": [{"cifsMountConfiguration": {"username": "me"}}]},
    ),
    (
        {"containerConfiguration": {"type": "DockerCompatible"}, "extensions": [{"type": "CustomScript"}]},
        {"containerConfiguration": {"type": "dockerCompatible"}, "extensions": [{"type": "CustomScript"}]},
    ),
    (
        {"endpointConfiguration": {"inboundNatPools": [{"protocol": "TCP", "backendPort": 22}]}},
        {"endpointConfiguration": {"inboundNATPools": [{"protocol": "tcp", "backendPort": 22}]}},
    ),
    ({"dynamicVnetAssignmentScope": "none"}, {"dynamicVNetAssignmentScope": "none"}),
    ({"targets": ["OsDisk", "TemporaryDisk"]}, {"targets": ["osdisk", "temporarydisk"]}),
    ({"managedDisk": {"storageAccountType": "Premium_LRS"}}, {"managedDisk": {"storageAccountType": "premium_lrs"}}),
    ({"metadata": [{"name": "scope", "value": "Task"}]}, {"metadata": [{"name": "scope", "value": "Task"}]}),
    ({"settings": {"scope": "Task"}}, {"settings": {"scope": "Task"}}),
    ({"displayName": "Spread"}, {"displayName": "Spread"}),
]


@pytest.mark.parametrize(("arm", "batch"), PAIRS)
def test_both_planes_say_the_same(arm: JsonObject, batch: JsonObject) -> None:
    assert (to_batch(arm), to_arm(batch)) == (batch, arm)


def test_a_value_that_neither_plane_knows_stays_as_it_is() -> None:
    assert to_batch({"nodeFillType": "Sideways"}) == {"nodeFillType": "Sideways"}


def test_values_are_understood_in_any_case() -> None:
    assert to_batch({"nodeFillType": "SPREAD"}) == {"nodeFillType": "spread"}
