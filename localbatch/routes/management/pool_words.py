"""The words in which the two planes say the same of a pool: names of properties and values of enumerations.

Source: the enumerations and models of ``azure.batch`` and ``azure.mgmt.batch``, both for API version 2025-06-01.
"""

from collections.abc import Mapping

from localbatch.wire.formats import JsonObject, JsonValue

# Name in the management plane -> name in the data plane, wherever they stand.
_NAMES = {
    "nodeAgentSkuId": "nodeAgentSKUId",
    "dynamicVnetAssignmentScope": "dynamicVNetAssignmentScope",
    "inboundNatPools": "inboundNATPools",
}
# ... and in objects of one name only.
_NAMES_IN = {
    "imageReference": {"id": "virtualMachineImageId"},
    "userIdentity": {"userName": "username"},
    "cifsMountConfiguration": {"userName": "username"},
}
_LOWER = (
    *("None", "ReadOnly", "ReadWrite", "CacheDisk", "OsDisk", "TemporaryDisk", "Regional", "Zonal"),
    *("Standard_LRS", "Premium_LRS", "StandardSSD_LRS", "confidentialVM", "TCP", "UDP", "Allow", "Deny"),
    *(
        "BatchManaged",
        "UserManaged",
        "NoPublicIPAddresses",
        "Pool",
        "Task",
        "NonAdmin",
        "Admin",
        "Batch",
        "Interactive",
    ),
    *("Spread", "Pack", "CreationTime"),
)
_VALUES = {
    **{value: value.lower() for value in _LOWER},
    **{value: value[0].lower() + value[1:] for value in ("DockerCompatible", "CriCompatible")},
    **{value: value[0].lower() + value[1:] for value in ("TaskWorkingDirectory", "ContainerImageDefault")},
}
_ENUMERATED = (
    *("caching", "placement", "targets", "policy", "storageAccountType", "securityType", "protocol", "access"),
    *(
        "provision",
        "scope",
        "elevationLevel",
        "loginMode",
        "nodeFillType",
        "jobDefaultOrder",
        "type",
        "workingDirectory",
    ),
)
# What these hold is the client's own, or spelt alike in both planes.
_UNTOUCHED = (
    "settings",
    "protectedSettings",
    "metadata",
    "environmentSettings",
    "containerHostBatchBindMounts",
    "imds",
)

_TO_BATCH = {value.lower(): batch for value, batch in _VALUES.items()}
_TO_ARM = {batch.lower(): value for value, batch in _VALUES.items()}
_NAMES_TO_ARM = {batch: name for name, batch in _NAMES.items()}
_NAMES_IN_TO_ARM = {where: {batch: name for name, batch in names.items()} for where, names in _NAMES_IN.items()}


def to_batch(document: JsonObject) -> JsonObject:
    """Says in the data plane's words what a document of the management plane says."""
    return _translated(document, _NAMES, _NAMES_IN, _TO_BATCH, "")


def to_arm(document: JsonObject) -> JsonObject:
    """Says in the management plane's words what a document of the data plane says."""
    return _translated(document, _NAMES_TO_ARM, _NAMES_IN_TO_ARM, _TO_ARM, "")


_Names = Mapping[str, str]


def _translated(
    document: JsonObject, names: _Names, names_in: Mapping[str, _Names], values: _Names, where: str
) -> JsonObject:
    """Translates an object that is the value of the property ``where``."""
    known = {**names, **names_in.get(where, {})}

    def translate(name: str, value: JsonValue) -> JsonValue:
        if name in _UNTOUCHED:
            return value
        if isinstance(value, dict):
            return _translated(value, names, names_in, values, name)
        if isinstance(value, list):
            return [translate(name, item) for item in value]
        if isinstance(value, str) and name in _ENUMERATED:
            return values.get(value.lower(), value)
        return value

    return {known.get(name, name): translate(name, value) for name, value in document.items()}
