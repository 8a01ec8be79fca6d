"""Prefect flows that run programs on Azure Batch, and the stages they are made of.

blocks    what the flows talk to: Prefect blocks that hold credentials and hand out SDK clients
tasks     the stages of work on Azure Batch
flows     the flows, each runnable by ``python -m prefect_azure_batch.flows.<name>``

In a checkout they lie at its top level, and are linked from here.
"""
