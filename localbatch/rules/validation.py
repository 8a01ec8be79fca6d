"""What request bodies must look like, beyond their types: pure, so that every rule is told apart from its effect.

Source of the limits: the Batch REST reference, API version 2025-06-01.
"""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import NoReturn, TypeVar

from pydantic import ValidationError

from localbatch.bodies.actions import NodeRemoval, PoolResize
from localbatch.bodies.body import Body
from localbatch.bodies.models import (
    Command,
    MetadataItem,
    MultiInstanceSettings,
    NameValue,
    OutputFile,
    PackageReference,
    PoolBody,
    PoolSpecification,
    ResourceFile,
    StartTask,
    TaskBody,
    TaskConstraints,
    TaskSchedulingPolicy,
    VirtualMachineConfiguration,
)
from localbatch.bodies.pool_parts import PoolParts
from localbatch.rules.auto_scale import check_auto_scale
from localbatch.rules.checks import check_choice, check_container, check_id, check_user_identity
from localbatch.rules.images import supported_images
from localbatch.rules.pool_parts import check_parts
from localbatch.rules.vm_sizes import MOST_SLOTS, find_size
from localbatch.wire.errors import ServiceError, invalid_property, unknown_property, unreadable_property
from localbatch.wire.formats import JsonObject, JsonValue
from localbatch.wire.whole_numbers import mend

Model = TypeVar("Model", bound=Body)

MOST_TASKS = 100
MOST_NODES = 10_000

_OCTAL = re.compile(r"[0-7]{3,4}")
_LONGEST_NAME = 1024
_LONGEST_START_TASK = 32_768
_MOST_PACKAGES = 10
_MOST_REMOVED_NODES = 100
_UPLOAD_CONDITIONS = ("tasksuccess", "taskfailure", "taskcompletion")
DEALLOCATION = ("requeue", "terminate", "taskcompletion", "retaineddata")


def parse_json(raw: bytes) -> JsonObject:
    """Reads a request body; properties that are null count as left out.

    Raises:
        ServiceError: ``InvalidRequestBody``, with the reason.
    """
    try:
        document = without_nulls(json.loads(raw, parse_constant=_refuse_constant))
    except (ValueError, RecursionError) as error:
        raise _unreadable(f"The body is not JSON in UTF-8: {error}") from error
    if not isinstance(document, dict):
        raise _unreadable("The body is not a JSON object.")
    return document


def _unreadable(reason: str) -> ServiceError:
    return ServiceError("InvalidRequestBody", values=(("Reason", reason),))


def _refuse_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a JSON number")


def without_nulls(value: JsonValue) -> JsonValue:
    """Leaves out the properties that are null, at any depth.

    Raises:
        ValueError: a text is none that a name, a path or an argument could hold.
    """
    if isinstance(value, dict):
        return {_text(name): without_nulls(each) for name, each in value.items() if each is not None}
    if isinstance(value, list):
        return [without_nulls(each) for each in value]
    return _text(value) if isinstance(value, str) else value


def _text(value: str) -> str:
    # Half of a surrogate pair, which JSON can spell, is no text; and no name, path or argument holds a NUL.
    value.encode()
    if "\0" in value:
        raise ValueError("a text holds the character NUL")
    return value


def read(model: type[Model], document: JsonObject) -> Model:
    """Checks a body against its model. Texts that spell whole numbers are taken for them, also in the body itself.

    Raises:
        ServiceError: ``InvalidRequestBody`` for a name the operation does not have or a value of another type,
            ``MissingRequiredProperty``, or ``InvalidPropertyValue`` naming the property and the reason.
    """
    refuse_unknown(model, document)
    try:
        return model.model_validate(document)
    except ValidationError as error:
        if mend(document, error):
            return read(model, document)
        first = error.errors(include_url=False, include_context=False)[0]
    name = ".".join(str(part) for part in first["loc"])
    if first["type"] == "missing":
        raise ServiceError("MissingRequiredProperty", values=(("PropertyName", name),))
    if first["type"] == "value_error":
        raise invalid_property(name, first["input"], f"{first['msg'].removeprefix('Value error, ')}.")
    raise unreadable_property(name, f"{first['msg']}.")


def refuse_unknown(model: type[Body], document: JsonObject) -> None:
    """Refuses properties that an operation does not have, among them those which only the service sets.

    Raises:
        ServiceError: ``InvalidRequestBody`` naming the first one found.
    """
    if model.others is None:
        return
    known = {*model.others, *(field.alias for field in model.model_fields.values())}
    for name in document:
        if name not in known:
            raise unknown_property(name)


def write(model: Body) -> JsonObject:
    """Turns a model back into JSON: what the client gave, in the words and forms of the wire."""
    document: JsonObject = model.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude_none=True)
    return document


@contextmanager
def within(name: str) -> Iterator[None]:
    """Puts the name of the property that holds a part of a body before those of properties refused in the block."""
    try:
        yield
    except ServiceError as error:
        values = [(key, f"{name}.{value}" if key == "PropertyName" else value) for key, value in error.values]
        raise ServiceError(error.code, error.message, values, status=error.status) from error


def check_pool(body: PoolBody) -> None:
    """Refuses a pool that can't be."""
    check_id(body.id)
    check_pool_specification(body)


def check_pool_specification(body: PoolSpecification) -> None:
    """Refuses what can't be a pool, whatever its id."""
    check_name(body)
    check_node(body.vm_size, body.task_slots_per_node)
    check_machine(body.virtual_machine_configuration)
    check_parts(read(PoolParts, write(body)))
    check_scheduling_policy(body.task_scheduling_policy)
    check_target("targetDedicatedNodes", body.target_dedicated_nodes)
    check_target("targetLowPriorityNodes", body.target_low_priority_nodes)
    check_resize_timeout(body.resize_timeout.total_seconds())
    check_auto_scale(body)
    check_metadata(body.metadata)
    check_what_nodes_get(body.start_task, body.application_package_references)


def check_what_nodes_get(start_task: StartTask | None, packages: Sequence[PackageReference]) -> None:
    """Refuses a start task that can't be or is too long, and too many application packages."""
    if start_task is not None:
        check_command("startTask", start_task)
        check_retries("startTask.maxTaskRetryCount", start_task.max_task_retry_count)
        length = len(json.dumps(write(start_task), ensure_ascii=False))
        if length > _LONGEST_START_TASK:
            raise invalid_property("startTask", length, f"It may have at most {_LONGEST_START_TASK} characters.")
    if len(packages) > _MOST_PACKAGES:
        reason = f"A pool has at most {_MOST_PACKAGES} application packages."
        raise invalid_property("applicationPackageReferences", len(packages), reason)


def check_machine(machine: VirtualMachineConfiguration | None) -> None:
    """Refuses a node agent that goes with none of the supported images."""
    agents = sorted({str(image["nodeAgentSKUId"]) for image in supported_images()})
    if machine is not None:
        check_choice("virtualMachineConfiguration.nodeAgentSKUId", machine.node_agent_sku_id, agents)


def check_scheduling_policy(policy: TaskSchedulingPolicy | None) -> None:
    """Refuses a way to fill nodes, or an order of jobs, that does not exist."""
    if policy is not None:
        check_choice("taskSchedulingPolicy.nodeFillType", policy.node_fill_type, ("spread", "pack"))
        check_choice("taskSchedulingPolicy.jobDefaultOrder", policy.job_default_order, ("none", "creationtime"))


def check_node(vm_size: str, slots: int) -> None:
    """Refuses what is not the name of a VM size, and more task slots than its nodes can have."""
    size = find_size(vm_size)
    if size is None:
        raise invalid_property("vmSize", vm_size, "It must be a VM size such as Standard_D2s_v3.")
    check_slots("taskSlotsPerNode", slots, size.most_slots)


def check_slots(name: str, slots: int, most: int = MOST_SLOTS) -> None:
    """Refuses a number of task slots that no node has, or none of a size that has at most so many."""
    if not 1 <= slots <= most:
        raise invalid_property(name, slots, f"It must lie between 1 and {most}.")


def check_target(name: str, nodes: int) -> None:
    """Refuses a number of nodes that no pool has."""
    if not 0 <= nodes <= MOST_NODES:
        raise invalid_property(name, nodes, f"It must lie between 0 and {MOST_NODES}.")


def check_resize_timeout(seconds: float) -> None:
    """Refuses a time for resizing below the service's least, five minutes."""
    if seconds < 300:
        raise invalid_property("resizeTimeout", f"{seconds:g} s", "It must be at least 5 minutes.")


def check_resize(body: PoolResize) -> None:
    """Refuses a resize that names no size, or an impossible one."""
    if body.target_dedicated_nodes is None and body.target_low_priority_nodes is None:
        raise ServiceError("MissingRequiredProperty", values=(("PropertyName", "targetDedicatedNodes"),))
    check_target("targetDedicatedNodes", body.target_dedicated_nodes or 0)
    check_target("targetLowPriorityNodes", body.target_low_priority_nodes or 0)
    if body.resize_timeout is not None:
        check_resize_timeout(body.resize_timeout.total_seconds())
    check_choice("nodeDeallocationOption", body.node_deallocation_option, DEALLOCATION)


def check_removal(body: NodeRemoval) -> None:
    """Refuses the removal of no nodes or of too many."""
    if not 1 <= len(body.node_list) <= _MOST_REMOVED_NODES:
        raise invalid_property("nodeList", len(body.node_list), f"It must name 1 to {_MOST_REMOVED_NODES} nodes.")
    if body.resize_timeout is not None:
        check_resize_timeout(body.resize_timeout.total_seconds())
    check_choice("nodeDeallocationOption", body.node_deallocation_option, DEALLOCATION)


def check_task(body: TaskBody) -> None:
    """Refuses a task that can't be."""
    check_id(body.id)
    check_name(body)
    check_command("", body)
    check_slots("requiredSlots", body.required_slots)
    check_task_constraints(body.constraints)
    for number, output in enumerate(body.output_files):
        _check_output(f"outputFiles.{number}", output)
    if body.multi_instance_settings is not None:
        _check_instances("multiInstanceSettings", body.multi_instance_settings)
        if body.required_slots != 1:
            reason = "It must be 1 for a multi-instance task."
            raise invalid_property("requiredSlots", body.required_slots, reason)


def check_task_constraints(constraints: TaskConstraints, name: str = "constraints") -> None:
    """Refuses constraints that a task can't have."""
    check_retries(f"{name}.maxTaskRetryCount", constraints.max_task_retry_count)


def check_command(name: str, command: Command) -> None:
    """Refuses a command line, resource files or environment that can't be.

    Args:
        name: the property that holds the command; empty for a task itself.
        command: the command.
    """
    prefix = f"{name}." if name else ""
    check_container(f"{prefix}containerSettings", command.container_settings)
    # In a container an empty one means the image's own program.
    if command.container_settings is None and not command.command_line.strip():
        raise invalid_property(f"{prefix}commandLine", command.command_line, "It must not be empty.")
    check_settings(f"{prefix}environmentSettings", command.environment_settings)
    check_user_identity(f"{prefix}userIdentity", command.user_identity)
    for number, file in enumerate(command.resource_files):
        _check_resource(f"{prefix}resourceFiles.{number}", file)


def check_metadata(items: Iterable[MetadataItem]) -> None:
    """Refuses metadata without a name."""
    if any(not item.name for item in items):
        raise ServiceError("EmptyMetadataKey")


def _check_instances(name: str, settings: MultiInstanceSettings) -> None:
    instances = settings.number_of_instances
    if not 1 <= instances <= MOST_NODES:
        raise invalid_property(f"{name}.numberOfInstances", instances, f"It must lie between 1 and {MOST_NODES}.")
    if not settings.coordination_command_line.strip():
        line = settings.coordination_command_line
        raise invalid_property(f"{name}.coordinationCommandLine", line, "It must not be empty.")
    for number, file in enumerate(settings.common_resource_files):
        _check_resource(f"{name}.commonResourceFiles.{number}", file)


def check_name(body: Body) -> None:
    """Refuses a display name that is too long."""
    name = getattr(body, "display_name", None) or (body.model_extra or {}).get("displayName", "")
    if len(str(name)) > _LONGEST_NAME:
        raise invalid_property("displayName", f"{str(name)[:32]}...", f"It must not exceed {_LONGEST_NAME} characters.")


def check_settings(name: str, settings: Iterable[NameValue]) -> None:
    """Refuses environment settings whose names no variable can have."""
    for setting in settings:
        if not setting.name or "=" in setting.name:
            raise invalid_property(name, setting.name, "The name of a variable must not be empty or hold '='.")


def check_retries(name: str, count: int | None) -> None:
    """Refuses a number of retries that is none."""
    if count is not None and count < -1:
        raise invalid_property(name, count, "It must be -1, which is without limit, or more.")


def _check_resource(name: str, file: ResourceFile) -> None:
    sources = (file.http_url, file.storage_container_url, file.auto_storage_container_name)
    if sum(source is not None for source in sources) != 1:
        reason = "Exactly one of httpUrl, storageContainerUrl and autoStorageContainerName must be given."
        raise invalid_property(name, file.file_path or "", reason)
    if file.http_url is not None and not file.file_path:
        raise ServiceError("MissingRequiredProperty", values=(("PropertyName", f"{name}.filePath"),))
    if file.http_url is not None and file.blob_prefix is not None:
        raise invalid_property(f"{name}.blobPrefix", file.blob_prefix, "It goes with a container, not with httpUrl.")
    if file.file_mode is not None and not _OCTAL.fullmatch(file.file_mode):
        raise invalid_property(f"{name}.fileMode", file.file_mode, "It must be an octal number such as 0770.")


def _check_output(name: str, output: OutputFile) -> None:
    if output.destination.container is None:
        raise ServiceError("MissingRequiredProperty", values=(("PropertyName", f"{name}.destination.container"),))
    if not output.file_pattern:
        raise invalid_property(f"{name}.filePattern", "", "It must not be empty.")
    condition = output.upload_options.upload_condition
    check_choice(f"{name}.uploadOptions.uploadCondition", condition, _UPLOAD_CONDITIONS)
