"""Pools as clients of the management plane ask for them, in the data plane's words. Pure.

So that a pool is the same thing in both planes nothing of it is kept twice: what the management plane is told becomes
a request of the data plane.
"""

from datetime import timedelta
from typing import Any

from localbatch.bodies.body import Duration
from localbatch.routes.management.answers import invalid_value
from localbatch.routes.management.call import ArmBody, ArmResource
from localbatch.routes.management.identities import NONE, USER, Identity, check_identity, identity_document
from localbatch.routes.management.pool_words import to_batch
from localbatch.rules.pools import check_resize_timeout
from localbatch.service.pools import ONLY_WHEN_EMPTY
from localbatch.store.pools import PoolRecord
from localbatch.wire.formats import JsonObject, JsonValue, format_duration

SAME = (
    *("displayName", "taskSlotsPerNode", "metadata", "userAccounts", "mountConfiguration", "upgradePolicy"),
    *("networkConfiguration", "taskSchedulingPolicy", "startTask", "vmSize"),
)
"""Properties that have one name and place in both planes."""

_COMPARED = ("targetDedicatedNodes", "targetLowPriorityNodes", "autoScaleFormula", "autoScaleEvaluationInterval")
_FORMULA_NAMES = {"formula": "autoScaleFormula", "evaluationInterval": "autoScaleEvaluationInterval"}
_SHOWN_ONLY = (
    *("lastModified", "creationTime", "provisioningState", "provisioningStateTransitionTime", "allocationState"),
    *("allocationStateTransitionTime", "currentDedicatedNodes", "currentLowPriorityNodes", "autoScaleRun"),
    "resizeOperationStatus",
)


class FixedScale(ArmBody):
    """A size that is asked for."""

    resize_timeout: Duration | None = None
    target_dedicated_nodes: int | None = None
    target_low_priority_nodes: int | None = None
    node_deallocation_option: str | None = None


class AutoScaleFormula(ArmBody):
    """A formula that decides on the size."""

    formula: str
    evaluation_interval: Duration | None = None


class ScaleSettings(ArmBody):
    """How large a pool is to be; one of the two."""

    fixed_scale: FixedScale | None = None
    auto_scale: AutoScaleFormula | None = None


class _Deployment(ArmBody):
    virtual_machine_configuration: dict[str, Any] | None = None


class _Properties(ArmBody):
    display_name: str | None = None
    vm_size: str | None = None
    deployment_configuration: _Deployment | None = None
    scale_settings: ScaleSettings | None = None
    inter_node_communication: str | None = None
    network_configuration: dict[str, Any] | None = None
    task_slots_per_node: int | None = None
    task_scheduling_policy: dict[str, Any] | None = None
    user_accounts: list[dict[str, Any]] | None = None
    metadata: list[dict[str, Any]] | None = None
    start_task: dict[str, Any] | None = None
    application_packages: list[dict[str, Any]] | None = None
    mount_configuration: list[dict[str, Any]] | None = None
    upgrade_policy: dict[str, Any] | None = None


class ArmPool(ArmResource):
    """A pool as it is to be, or what of it is to change."""

    properties: _Properties | None = None
    identity: Identity | None = None
    tags: dict[str, str] | None = None

    @property
    def scale(self) -> ScaleSettings | None:
        """How large it is to be, if that is said."""
        return self.properties.scale_settings if self.properties else None

    @property
    def resize_timeout(self) -> timedelta | None:
        """How long its resizes may take, if that is said."""
        return self.scale.fixed_scale.resize_timeout if self.scale and self.scale.fixed_scale else None


def without_shown(document: JsonObject) -> JsonObject:
    """Leaves out what the management plane shows of a pool and nobody can set."""
    properties = document.get("properties")
    if not isinstance(properties, dict):
        return document
    return {**document, "properties": {name: each for name, each in properties.items() if name not in _SHOWN_ONLY}}


def settings_of(pool: ArmPool) -> JsonObject:
    """Says what a body sets of a pool, its size aside, in the data plane's words.

    Raises:
        ManagementError: a value is refused.
    """
    if pool.properties is None:
        return {}
    given = pool.properties.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude_none=True)
    document = to_batch({name: given[name] for name in SAME if name in given})
    machine = given.get("deploymentConfiguration", {}).get("virtualMachineConfiguration")
    if machine is not None:
        document["virtualMachineConfiguration"] = to_batch({"machine": machine})["machine"]
    communication = given.get("interNodeCommunication")
    if communication is not None:
        document["enableInterNodeCommunication"] = _is_enabled(communication)
    if "applicationPackages" in given:
        document["applicationPackageReferences"] = [_to_reference(package) for package in given["applicationPackages"]]
    return document


def _is_enabled(value: str) -> bool:
    if value.lower() not in ("enabled", "disabled"):
        raise invalid_value("properties.interNodeCommunication", value, "It must be Enabled or Disabled.")
    return value.lower() == "enabled"


def _to_reference(package: dict[str, Any]) -> JsonObject:
    name = str(package.get("id", "")).rpartition("/applications/")[2] or str(package.get("id", ""))
    reference: JsonObject = {"applicationId": name.partition("/")[0]}
    return {**reference, **{key: value for key, value in package.items() if key != "id"}}


def changes_of(settings: JsonObject, present: JsonObject) -> JsonObject:
    """Leaves out what can be changed only while a pool has no nodes, and is as it was.

    Args:
        settings: what is to be set, in the data plane's words.
        present: the pool as the data plane shows it.
    """
    return {
        name: value
        for name, value in settings.items()
        if name not in ONLY_WHEN_EMPTY or not _includes(present.get(name), value)
    }


def _includes(present: JsonValue, asked: JsonValue) -> bool:
    """Tells whether everything that is asked for is so; defaults were filled in at other places."""
    if isinstance(asked, dict) and isinstance(present, dict):
        return all(_includes(present.get(name), value) for name, value in asked.items())
    if isinstance(asked, str) and isinstance(present, str):
        return asked.lower() == present.lower()
    return asked == present


def scale_of(scale: ScaleSettings | None) -> JsonObject:
    """Says how large a new pool is to be, in the data plane's words.

    Raises:
        ManagementError: it is to have both a size and a formula.
    """
    document = _scale_document(scale)
    # Nothing leaves a pool that is new.
    document.pop("nodeDeallocationOption", None)
    return {"enableAutoScale": True, **document} if "autoScaleFormula" in document else document


def rescaling(scale: ScaleSettings | None, present: JsonObject) -> JsonObject:
    """Says how a pool is to be scaled from now on, in the data plane's words.

    Args:
        scale: what is asked for.
        present: the pool as the data plane shows it.

    Returns:
        An empty object if nothing is asked for, or the pool is scaled so already.

    Raises:
        ManagementError: it is to have both a size and a formula.
    """
    document = _scale_document(scale)
    same = all(_includes(present.get(name), value) for name, value in document.items() if name in _COMPARED)
    by_formula = "autoScaleFormula" in document
    return {} if not document or (same and by_formula == bool(present.get("enableAutoScale"))) else document


def _scale_document(scale: ScaleSettings | None) -> JsonObject:
    if scale is None:
        return {}
    if scale.auto_scale is not None and scale.fixed_scale is not None:
        raise invalid_value("properties.scaleSettings", "", "Give either fixedScale or autoScale.")
    if scale.auto_scale is not None:
        given = scale.auto_scale.model_dump(mode="json", by_alias=True, exclude_none=True)
        return {_FORMULA_NAMES[name]: value for name, value in given.items()}
    size = (scale.fixed_scale or FixedScale()).model_dump(mode="json", by_alias=True, exclude_none=True)
    return dict(size)


def description_of(given: ArmPool, pool: PoolRecord) -> tuple[JsonObject, JsonObject]:
    """Says what becomes of a pool's body and tags by what only the management plane can change.

    Raises:
        ManagementError: the identity can't be.
        ServiceError: the time for resizing is too short.
    """
    body = dict(pool.body)
    if given.identity is not None:
        identity = pool_identity(given.identity)
        body.pop("identity", None)
        body |= {} if identity is None else {"identity": identity}
    if given.resize_timeout is not None:
        check_resize_timeout(given.resize_timeout.total_seconds())
        body["resizeTimeout"] = format_duration(given.resize_timeout)
    return body, pool.tags if given.tags is None else dict(given.tags)


def pool_identity(identity: Identity | None) -> JsonObject | None:
    """Says in the data plane's words which identities the nodes of a pool have; None if it has none.

    Raises:
        ManagementError: it can't be.
    """
    if identity is None or check_identity(identity, (NONE, USER)).type == NONE:
        return None
    made = identity_document(identity, "")["userAssignedIdentities"]
    named = made.items() if isinstance(made, dict) else ()
    identities: list[JsonValue] = [
        {"resourceId": resource, **details} for resource, details in named if isinstance(details, dict)
    ]
    return {"type": USER, "userAssignedIdentities": identities}
