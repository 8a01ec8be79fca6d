"""Pools as the management plane shows them, made from what the data plane shows. Pure."""

from localbatch.routes.management.answers import ACCOUNT_TYPE, arm_etag
from localbatch.routes.management.identities import NONE, USER
from localbatch.routes.management.pool_bodies import SAME
from localbatch.routes.management.pool_words import to_arm
from localbatch.store.pools import PoolRecord
from localbatch.wire.formats import JsonObject, JsonValue, format_time

_DEALLOCATION = {value.lower(): value for value in ("Requeue", "Terminate", "TaskCompletion", "RetainedData")}


def arm_pool(base_id: str, pool: PoolRecord, view: JsonObject) -> JsonObject:
    """Shows a pool.

    Args:
        base_id: resource id of the account.
        pool: the pool.
        view: the pool as the data plane shows it.
    """
    tags: JsonObject = {"tags": pool.tags} if pool.tags else {}
    return {
        "id": f"{base_id}/pools/{pool.id}",
        "name": pool.id,
        "type": f"{ACCOUNT_TYPE}/pools",
        "etag": arm_etag(pool.modified),
        "identity": _identity_view(view.get("identity")),
        **tags,
        "properties": {
            **to_arm({name: view[name] for name in SAME if name in view}),
            **_computed(pool, view),
            "vmSize": str(view["vmSize"]).upper(),
            "deploymentConfiguration": to_arm(
                {"virtualMachineConfiguration": view.get("virtualMachineConfiguration", {})}
            ),
            **_packages_view(base_id, view.get("applicationPackageReferences")),
        },
    }


def _computed(pool: PoolRecord, view: JsonObject) -> JsonObject:
    shown: JsonObject = {
        "lastModified": view["lastModified"],
        "creationTime": view["creationTime"],
        "provisioningState": "Deleting" if pool.state == "deleting" else "Succeeded",
        "provisioningStateTransitionTime": view["stateTransitionTime"],
        "allocationState": pool.allocation.capitalize(),
        "allocationStateTransitionTime": view["allocationStateTransitionTime"],
        "currentDedicatedNodes": view["currentDedicatedNodes"],
        "currentLowPriorityNodes": view["currentLowPriorityNodes"],
        "interNodeCommunication": "Enabled" if view.get("enableInterNodeCommunication") else "Disabled",
        "resizeOperationStatus": _resize_view(pool, view),
    }
    if not view.get("enableAutoScale"):
        size = {name: view[name] for name in ("targetDedicatedNodes", "targetLowPriorityNodes", "resizeTimeout")}
        return {**shown, "scaleSettings": {"fixedScale": size}}
    formula: JsonObject = {"formula": view["autoScaleFormula"]}
    if "autoScaleEvaluationInterval" in view:
        formula["evaluationInterval"] = view["autoScaleEvaluationInterval"]
    return {**shown, "scaleSettings": {"autoScale": formula}, **_run_view(view.get("autoScaleRun"))}


def _run_view(run: JsonValue) -> JsonObject:
    if not isinstance(run, dict):
        return {}
    shown = {"evaluationTime" if name == "timestamp" else name: value for name, value in run.items()}
    return {"autoScaleRun": {**shown, **({"error": _error_view(run["error"])} if "error" in run else {})}}


def _resize_view(pool: PoolRecord, view: JsonObject) -> JsonObject:
    status: JsonObject = {
        "targetDedicatedNodes": pool.target_dedicated,
        "targetLowPriorityNodes": pool.target_spot,
        "resizeTimeout": view["resizeTimeout"],
        "nodeDeallocationOption": _DEALLOCATION.get(pool.deallocation, pool.deallocation),
    }
    if pool.allocation != "steady":
        status["startTime"] = format_time(pool.allocation_changed)
    if pool.resize_errors:
        status["errors"] = [_error_view(error) for error in pool.resize_errors]
    return status


def _error_view(error: JsonValue) -> JsonObject:
    """Shows an error; what the data plane names in values are details here."""
    known = error if isinstance(error, dict) else {}
    shown: JsonObject = {"code": known.get("code"), "message": known.get("message")}
    values = known.get("values")
    if isinstance(values, list) and values:
        shown["details"] = [
            {"code": item.get("name"), "message": item.get("value")} for item in values if isinstance(item, dict)
        ]
    return shown


def _identity_view(identity: JsonValue) -> JsonObject:
    named = identity.get("userAssignedIdentities") if isinstance(identity, dict) else None
    if not isinstance(named, list):
        return {"type": NONE}
    identities: JsonObject = {
        str(item["resourceId"]): {"principalId": item.get("principalId"), "clientId": item.get("clientId")}
        for item in named
        if isinstance(item, dict)
    }
    return {"type": USER, "userAssignedIdentities": identities}


def _packages_view(base_id: str, references: JsonValue) -> JsonObject:
    if not isinstance(references, list) or not references:
        return {}
    packages: list[JsonValue] = []
    for reference in references:
        if isinstance(reference, dict):
            package: JsonObject = {"id": f"{base_id}/applications/{reference['applicationId']}"}
            packages.append({**package, **({"version": reference["version"]} if "version" in reference else {})})
    return {"applicationPackages": packages}
