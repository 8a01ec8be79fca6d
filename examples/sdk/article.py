"""The calls of the two programs of the article, with azure-batch 10.0.0 and azure-storage-blob 12.6.0: see docs/article.md.

    python -m localbatch --image 'OpenLogic:CentOS-HPC:7.4:batch.node.centos 7' > azure.json &
    python examples/sdk/publish_package.py azure.json myapp 1 examples/map/app
    mpicc -O2 -o ring examples/mpi/app/ring.c && python examples/sdk/publish_package.py azure.json aout 1 ring
    python examples/sdk/article.py azure.json          # in an environment with the two old packages

A map of four tasks over two nodes of a retired image, then a multi-instance task on three; links are written by hand to
the storage account's name on Azure. Everything is deleted at the end.
"""

import json
import sys
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

import azure.batch.batch_auth as batch_auth
import azure.batch.models as models
from azure.batch import BatchServiceClient
from azure.storage.blob import (
    BlobSasPermissions,
    BlobServiceClient,
    ContainerSasPermissions,
    generate_blob_sas,
    generate_container_sas,
)

ready = json.loads(Path(sys.argv[1]).read_text())
account, key = ready["storage_account"], ready["storage_key"]
EXAMPLES = Path(__file__).resolve().parents[1]
APPLICATION = "mpirun -n $1 -hosts $AZ_BATCH_HOST_LIST $AZ_BATCH_APP_PACKAGE_aout_1/ring $2 $3 | sort\n"
COORDINATION = "pwd\nls -l ../\n"

batch = BatchServiceClient(batch_auth.SharedKeyCredentials(ready["batch_account"], ready["batch_key"]), batch_url=ready["batch_endpoint"])
blobs = BlobServiceClient.from_connection_string(ready["storage_connection_string"])


def upload(container, name, body):
    """Uploads a file, and makes a link to it as the programs do: by the account's name on Azure."""
    blobs.get_blob_client(container=container, blob=name).upload_blob(body, blob_type="BlockBlob")
    hours = datetime.now(timezone.utc) + timedelta(hours=4)
    signature = generate_blob_sas(account, container, name, account_key=key, permission=BlobSasPermissions(read=True), expiry=hours)
    link = f"https://{account}.blob.core.windows.net/{container}/{name}?{signature}"
    return models.ResourceFile(http_url=link, file_path=name)


def pool(pool_id, image, agent, nodes, application, **options):
    """Makes a pool with an application package."""
    machine = models.VirtualMachineConfiguration(image_reference=image, node_agent_sku_id=agent)
    new = models.PoolAddParameter(
        id=pool_id, virtual_machine_configuration=machine, vm_size="Standard_A1_v2", target_dedicated_nodes=nodes, **options)
    new.application_package_references = [models.ApplicationPackageReference(application_id=application, version="1")]
    batch.pool.add(new)


def wait(job_id):
    """Waits until all tasks of a job are completed."""
    while any(task.state != models.TaskState.completed for task in batch.task.list(job_id)):
        time.sleep(1)


def map_files():
    """The first program: one task for each of four files."""
    blobs.create_container("input")
    inputs = sorted((EXAMPLES / "map" / "inputs").glob("*.txt"))
    files = [upload("input", path.name, path.read_bytes()) for path in inputs]
    image = models.ImageReference(publisher="Canonical", offer="UbuntuServer", sku="18.04-LTS", version="latest")
    pool("yourPool17", image, "batch.node.ubuntu 18.04", 2, "myapp")
    batch.job.add(models.JobAddParameter(id="yourJob17", pool_info=models.PoolInformation(pool_id="yourPool17")))
    for number, file in enumerate(files, 1):
        command = f'/bin/bash -c "$AZ_BATCH_APP_PACKAGE_myapp_1/myapp < {file.file_path}"'
        task = models.TaskAddParameter(id=f"Task_{number}", command_line=command, resource_files=[file])
        batch.task.add_collection("yourJob17", [task])
    wait("yourJob17")
    nodes = set()
    for task in batch.task.list("yourJob17"):
        nodes.add(batch.task.get("yourJob17", task.id).node_info.node_id)
        print("Task:", task.id)
        print("Standard output:")
        print(b"".join(batch.file.get_from_task("yourJob17", task.id, "stdout.txt")).decode().strip())
    print("nodes used:", len(nodes))
    blobs.delete_container("input")
    batch.job.delete("yourJob17")
    batch.pool.delete("yourPool17")


def run_ring():
    """The second program: one multi-instance task over three nodes."""
    blobs.create_container("mpi-input")
    blobs.create_container("output")
    expiry = datetime.now(timezone.utc) + timedelta(hours=2)
    signature = generate_container_sas(account, "output", account_key=key, permission=ContainerSasPermissions(write=True), expiry=expiry)
    output_link = f"https://{account}.blob.core.windows.net/output?{signature}"
    numbers = [(path.name, path.read_bytes()) for path in sorted((EXAMPLES / "mpi" / "inputs").glob("*.txt"))]
    common = [upload("mpi-input", name, body) for name, body in [("coordination-cmd", "#!/bin/bash\n" + COORDINATION), *numbers]]
    own = [upload("mpi-input", "application-cmd", "#!/bin/bash\n" + APPLICATION)]
    verified = models.AccountListSupportedImagesOptions(filter="verificationType eq 'verified'")
    agent, image = next(
        (image.node_agent_sku_id, image.image_reference)
        for image in batch.account.list_supported_images(account_list_supported_images_options=verified)
        if image.image_reference.publisher.lower() == "openlogic" and image.image_reference.offer.lower() == "centos-hpc")
    pool("newPool", image, agent, 3, "aout", resize_timeout=timedelta(minutes=15), enable_inter_node_communication=True)
    while [node.state for node in batch.compute_node.list("newPool")] != [models.ComputeNodeState.idle] * 3:
        time.sleep(1)
    batch.job.add(models.JobAddParameter(id="job-newPool", pool_info=models.PoolInformation(pool_id="newPool")))
    settings = models.MultiInstanceSettings(
        number_of_instances=3, common_resource_files=common,
        coordination_command_line="/bin/bash -c 'set -e; set -o pipefail; $AZ_BATCH_TASK_SHARED_DIR/coordination-cmd; wait'")
    user = models.AutoUserSpecification(scope=models.AutoUserScope.pool, elevation_level=models.ElevationLevel.non_admin)
    destination = models.OutputFileDestination(container=models.OutputFileBlobContainerDestination(container_url=output_link))
    output = models.OutputFile(
        file_pattern="../std*.txt", destination=destination,
        upload_options=models.OutputFileUploadOptions(upload_condition=models.OutputFileUploadCondition.task_completion))
    line = "$AZ_BATCH_TASK_WORKING_DIR/application-cmd 3 ../numbers.txt ../numbers2.txt"
    batch.task.add("job-newPool", models.TaskAddParameter(
        id="ring", command_line=f"/bin/bash -c 'set -e; set -o pipefail; {line}; wait'", resource_files=own, output_files=[output],
        user_identity=models.UserIdentity(auto_user=user), multi_instance_settings=settings))
    wait("job-newPool")
    while any(subtask.state != "completed" for subtask in batch.task.list_subtasks("job-newPool", "ring").value):
        time.sleep(1)
    print("outputs:", sorted(blob.name for blob in blobs.get_container_client("output").list_blobs()))
    print(blobs.get_blob_client("output", "stdout.txt").download_blob().readall().decode().strip())
    blobs.delete_container("mpi-input")
    blobs.delete_container("output")
    batch.job.delete("job-newPool")
    batch.pool.delete("newPool")


map_files()
run_ring()
while list(batch.pool.list()) or list(batch.job.list()):
    time.sleep(0.5)
print("left:", [container.name for container in blobs.list_containers() if not container.name.startswith("app-")])
