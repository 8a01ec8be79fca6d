"""File systems that a pool mounts on its nodes: containers of the own storage account for real, other kinds not."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from azure.batch import models
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import ContainerClient, ContainerSasPermissions, generate_container_sas

from localbatch.launcher import LocalAzure
from tests.support.account import Account, error_values, open_account

DATA = "$AZ_BATCH_NODE_MOUNTS_DIR/data/in"
SECRET = "c2VjcmV0"


def blobs_of(azure: LocalAzure, container: str, path: str = "data/in", **credential: Any) -> models.MountConfiguration:
    return models.MountConfiguration(
        azure_blob_file_system_configuration=models.AzureBlobFileSystemConfiguration(
            account_name=azure.endpoints.storage_account,
            container_name=container,
            relative_mount_path=path,
            **(credential or {"account_key": azure.endpoints.storage_key}),
        )
    )


def nfs(path: str = "share") -> models.MountConfiguration:
    return models.MountConfiguration(
        nfs_mount_configuration=models.NfsMountConfiguration(source="10.0.0.1:/share", relative_mount_path=path)
    )


def cifs() -> models.MountConfiguration:
    settings = models.CifsMountConfiguration(
        username="u", source="//server/share", relative_mount_path="cifs", password=SECRET
    )
    return models.MountConfiguration(cifs_mount_configuration=settings)


def file_share() -> models.MountConfiguration:
    settings = models.AzureFileShareConfiguration(
        account_name="other",
        azure_file_url="https://other.file.core.windows.net/share",
        account_key=SECRET,
        relative_mount_path="files",
    )
    return models.MountConfiguration(azure_file_share_configuration=settings)


def run(account: Account, command: str, task_id: str) -> str:
    account.add_task(command, task_id)
    info = account.await_task(task_id).execution_info
    assert info
    assert info.exit_code == 0, account.read("stderr.txt", task_id)
    return account.stdout(task_id)


def names(container: ContainerClient) -> list[str]:
    return sorted(container.list_blob_names())


def test_blobs_are_there_and_what_a_task_writes_changes_and_removes_reaches_the_container(
    linked: Account, container: ContainerClient, local_azure: LocalAzure
) -> None:
    for name in ("a.txt", "deep/b.txt", "gone.txt"):
        container.upload_blob(name, name)
    container.upload_blob("folder", b"", metadata={"hdi_isfolder": "true"})
    linked.make_pool(mount_configuration=[blobs_of(local_azure, container.container_name)])
    linked.await_nodes()
    linked.make_job()
    assert run(linked, f"cd {DATA}; cat a.txt deep/b.txt; test -d folder", "reads") == "a.txtdeep/b.txt"
    run(linked, f"cd {DATA}; mkdir new; echo made > new/c.txt; echo more >> a.txt; rm gone.txt", "writes")
    assert names(container) == ["a.txt", "deep/b.txt", "folder", "new/c.txt"]
    assert container.download_blob("a.txt").readall() == b"a.txtmore\n"
    assert container.download_blob("new/c.txt").readall() == b"made\n"
    run(linked, f"rm -r {DATA}", "removes")
    run(linked, f"echo again > {DATA}/d.txt", "goes-on")
    assert names(container) == ["d.txt", "folder"]


def test_what_one_node_writes_the_next_task_on_another_reads(
    linked: Account, container: ContainerClient, local_azure: LocalAzure
) -> None:
    linked.make_pool(nodes=2, mount_configuration=[blobs_of(local_azure, container.container_name)])
    first, second = linked.await_nodes(count=2)
    linked.make_job()
    for number, node in enumerate((first, second)):
        affinity = models.BatchAffinityInfo(affinity_id=node.affinity_id or "")
        linked.add_task(f"cat {DATA}/x; echo {number} >> {DATA}/x", f"t{number}", affinity_info=affinity)
        linked.await_task(f"t{number}")
    assert linked.stdout("t1") == "0\n"
    container.upload_blob("x", "from outside", overwrite=True)
    assert run(linked, f"cat {DATA}/x", "last") == "from outside"


def test_a_failed_task_and_a_start_task_have_written_too(
    linked: Account, container: ContainerClient, local_azure: LocalAzure
) -> None:
    start = models.BatchStartTask(command_line=f"/bin/bash -c 'echo start > {DATA}/start'", wait_for_success=True)
    mounts = [blobs_of(local_azure, container.container_name)]
    linked.make_pool(mount_configuration=mounts, start_task=start)
    linked.await_nodes()
    assert names(container) == ["start"]
    linked.make_job()
    linked.add_task(f"echo x > {DATA}/failed; exit 3")
    info = linked.await_task().execution_info
    assert info
    assert (info.exit_code, names(container)) == (3, ["failed", "start"])


def test_a_container_is_mounted_by_a_signature_that_may_only_read(
    linked: Account, container: ContainerClient, local_azure: LocalAzure
) -> None:
    container.upload_blob("a", "a")
    signature = generate_container_sas(
        local_azure.endpoints.storage_account,
        container.container_name,
        account_key=local_azure.endpoints.storage_key,
        permission=ContainerSasPermissions(read=True, list=True),
        expiry=datetime.now(UTC) + timedelta(hours=1),
    )
    linked.make_pool(mount_configuration=[blobs_of(local_azure, container.container_name, sas_key=signature)])
    linked.await_nodes()
    linked.make_job()
    assert run(linked, f"cat {DATA}/a", "reads") == "a"
    linked.add_task(f"echo x > {DATA}/x", "writes")
    info = linked.await_task("writes").execution_info
    assert info
    assert info.failure_info
    assert info.failure_info.code == "MountConfigurationError"
    assert signature not in str(info.failure_info.as_dict())
    assert names(container) == ["a"]


@pytest.mark.parametrize("credential", [{"account_key": SECRET}, {"sas_key": "sv=1&sig=x"}])
def test_a_wrong_credential_makes_the_node_unusable(
    linked: Account, container: ContainerClient, local_azure: LocalAzure, credential: dict[str, str]
) -> None:
    linked.make_pool(mount_configuration=[blobs_of(local_azure, container.container_name, **credential)])
    (node,) = linked.await_nodes("unusable")
    assert [error.code for error in node.errors or []] == ["MountConfigurationError"]


def test_a_container_that_does_not_exist_makes_the_node_unusable(linked: Account, local_azure: LocalAzure) -> None:
    linked.make_pool(mount_configuration=[blobs_of(local_azure, "nothing")])
    (node,) = linked.await_nodes("unusable")
    (error,) = node.errors or []
    assert "There is no such container" in str(error.as_dict())


@pytest.mark.parametrize("make", [nfs, cifs, file_share])
def test_other_kinds_make_the_node_unusable_with_the_reason_and_show_no_secret(batch: Account, make: Any) -> None:
    batch.make_pool(mount_configuration=[make()])
    (node,) = batch.await_nodes("unusable")
    (error,) = node.errors or []
    assert "--mounts echo" in str(error.as_dict())
    shown = batch.send("GET", "/pools/pool").text()
    assert "relativeMountPath" in shown
    assert SECRET not in shown


def test_with_mounts_echo_there_are_empty_directories() -> None:
    with (
        LocalAzure(storage=False, attach=False, options=("--mounts=echo",)) as azure,
        open_account(azure.endpoints) as account,
    ):
        account.make_pool(mount_configuration=[nfs(), cifs(), file_share()])
        account.await_nodes()
        account.make_job()
        assert run(account, "ls $AZ_BATCH_NODE_MOUNTS_DIR; ls $AZ_BATCH_NODE_MOUNTS_DIR/share", "t") == (
            "cifs\nfiles\nshare\n"
        )


@pytest.mark.parametrize(
    ("mounts", "name"),
    [
        ([nfs("../x")], "mountConfiguration.0.nfsMountConfiguration.relativeMountPath"),
        ([nfs("/x")], "mountConfiguration.0.nfsMountConfiguration.relativeMountPath"),
        ([nfs("a"), nfs("a/b")], "mountConfiguration.1.nfsMountConfiguration.relativeMountPath"),
        ([models.MountConfiguration()], "mountConfiguration.0"),
        ([nfs(f"m{number}") for number in range(11)], "mountConfiguration"),
    ],
)
def test_mounts_that_cannot_be_are_refused(batch: Account, mounts: list[models.MountConfiguration], name: str) -> None:
    with pytest.raises(HttpResponseError) as caught:
        batch.make_pool(mount_configuration=mounts)
    assert error_values(caught.value)["PropertyName"] == name


def test_a_container_needs_exactly_one_credential(batch: Account, local_azure: LocalAzure) -> None:
    for credential in ({"account_key": SECRET, "sas_key": SECRET}, {"blobfuse_options": "-o"}):
        with pytest.raises(HttpResponseError) as caught:
            batch.make_pool(mount_configuration=[blobs_of(local_azure, "c", **credential)])
        assert "Exactly one" in error_values(caught.value)["Reason"]
        assert SECRET not in str(error_values(caught.value))


def test_a_reimaged_node_mounts_again(linked: Account, container: ContainerClient, local_azure: LocalAzure) -> None:
    linked.make_pool(mount_configuration=[blobs_of(local_azure, container.container_name)])
    (node,) = linked.await_nodes()
    container.upload_blob("late", "late")
    assert linked.send("POST", f"/pools/pool/nodes/{node.id}/reimage").status_code == 202
    linked.await_nodes()
    linked.make_job()
    assert run(linked, f"cat {DATA}/late", "t") == "late"
    assert names(container) == ["late"]
