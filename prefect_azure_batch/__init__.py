"""Prefect flows that run programs on Azure Batch, and the stages they are made of.

blocks    what the flows talk to: Prefect blocks that hold credentials and hand out SDK clients
tasks     the stages of work on Azure Batch
flows     the flows, each runnable by ``python -m prefect_azure_batch.flows.<name>``

In a checkout they lie at its top level, and are linked from here. What a flow of a user's own needs is handed out by
this module, in the order in which he meets it; nothing is imported before it is asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prefect_azure_batch.blocks.azure_batch import AzureBatchAccount
    from prefect_azure_batch.blocks.azure_batch_pool import AzureBatchPool
    from prefect_azure_batch.blocks.azure_storage import AzureStorageCredentials
    from prefect_azure_batch.blocks.pool_description import PoolDescription
    from prefect_azure_batch.flows.account import open_account
    from prefect_azure_batch.flows.cancelling import say_cancelled
    from prefect_azure_batch.flows.map_flow import map_flow
    from prefect_azure_batch.flows.map_parameters import MapParameters
    from prefect_azure_batch.flows.mpi_flow import mpi_flow
    from prefect_azure_batch.flows.mpi_parameters import MpiParameters
    from prefect_azure_batch.flows.runs import RunPlan, open_run
    from prefect_azure_batch.tasks.collect import collect_outputs_task
    from prefect_azure_batch.tasks.cost import Terms
    from prefect_azure_batch.tasks.errors import BatchFlowError
    from prefect_azure_batch.tasks.inputs import find_inputs
    from prefect_azure_batch.tasks.launcher import Launch
    from prefect_azure_batch.tasks.multi_instance import submit_multi_instance_task
    from prefect_azure_batch.tasks.outputs import list_outputs_task
    from prefect_azure_batch.tasks.records import MultiInstancePlan, Run, TaskPlan
    from prefect_azure_batch.tasks.secret_sources import parse_source
    from prefect_azure_batch.tasks.submit import add_tasks_task
    from prefect_azure_batch.tasks.subtasks import wait_for_multi_instance_task
    from prefect_azure_batch.tasks.upload import blob_lister, upload_inputs_task
    from prefect_azure_batch.tasks.wait import require_success, wait_for_tasks_task

__all__ = [
    "AzureBatchAccount",
    "AzureBatchPool",
    "AzureStorageCredentials",
    "BatchFlowError",
    "Launch",
    "MapParameters",
    "MpiParameters",
    "MultiInstancePlan",
    "PoolDescription",
    "Run",
    "RunPlan",
    "TaskPlan",
    "Terms",
    "add_tasks_task",
    "blob_lister",
    "collect_outputs_task",
    "find_inputs",
    "list_outputs_task",
    "map_flow",
    "mpi_flow",
    "open_account",
    "open_run",
    "parse_source",
    "require_success",
    "say_cancelled",
    "submit_multi_instance_task",
    "upload_inputs_task",
    "wait_for_multi_instance_task",
    "wait_for_tasks_task",
]

_HOMES = {
    "AzureBatchAccount": "blocks.azure_batch",
    "AzureBatchPool": "blocks.azure_batch_pool",
    "AzureStorageCredentials": "blocks.azure_storage",
    "BatchFlowError": "tasks.errors",
    "Launch": "tasks.launcher",
    "MapParameters": "flows.map_parameters",
    "MpiParameters": "flows.mpi_parameters",
    "MultiInstancePlan": "tasks.records",
    "PoolDescription": "blocks.pool_description",
    "Run": "tasks.records",
    "RunPlan": "flows.runs",
    "TaskPlan": "tasks.records",
    "Terms": "tasks.cost",
    "add_tasks_task": "tasks.submit",
    "blob_lister": "tasks.upload",
    "collect_outputs_task": "tasks.collect",
    "find_inputs": "tasks.inputs",
    "list_outputs_task": "tasks.outputs",
    "map_flow": "flows.map_flow",
    "mpi_flow": "flows.mpi_flow",
    "open_account": "flows.account",
    "open_run": "flows.runs",
    "parse_source": "tasks.secret_sources",
    "require_success": "tasks.wait",
    "say_cancelled": "flows.cancelling",
    "submit_multi_instance_task": "tasks.multi_instance",
    "upload_inputs_task": "tasks.upload",
    "wait_for_multi_instance_task": "tasks.subtasks",
    "wait_for_tasks_task": "tasks.wait",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
