"""Publishes a file or directory as a version of an application package of a running local Azure, by azure-mgmt-batch.

    python -m localbatch > azure.json &
    python examples/sdk/publish_package.py azure.json myapp 1 path/to/program

On Azure the same calls take a credential of azure-identity and the subscription, resource group and account of yours.
"""

import argparse
import io
import os
import zipfile
from pathlib import Path

from azure.core.exceptions import ResourceNotFoundError
from azure.mgmt.batch import BatchManagementClient
from azure.mgmt.batch.models import ActivateApplicationPackageParameters, Application, ApplicationPackage
from azure.storage.blob import BlobClient

from localbatch.launcher import CONNECTION_VARIABLE, LocalAzure

parser = argparse.ArgumentParser(description="Publishes a version of an application package of a running local Azure.")
parser.add_argument("connection", type=Path, help="file with the line that localbatch has printed")
parser.add_argument("application", help="id of the application")
parser.add_argument("version")
parser.add_argument("program", type=Path, help="a file or directory")
asked = parser.parse_args()
application, version, program = asked.application, asked.version, asked.program
files = [program] if program.is_file() else [file for file in program.rglob("*") if file.is_file()]
if not files:
    parser.error(f"{program} is no file, and no directory with files")
archive = io.BytesIO()
with zipfile.ZipFile(archive, "w") as packed:
    for file in files:
        packed.write(file, file.name if program.is_file() else file.relative_to(program))

os.environ[CONNECTION_VARIABLE] = str(asked.connection)
with LocalAzure() as azure:  # attaches to the one that runs
    client = BatchManagementClient(azure.management_credential(), "local", base_url=azure.endpoints.batch_endpoint)
    where = ("local", azure.endpoints.batch_account, application)
    plain = {"enforce_https": False}  # for an endpoint without TLS
    try:
        client.application.get(*where, **plain)
    except ResourceNotFoundError:
        client.application.create(*where, Application(), **plain)
    package = client.application_package.create(*where, version, ApplicationPackage(), **plain)
    BlobClient.from_blob_url(package.storage_url).upload_blob(archive.getvalue(), overwrite=True)
    client.application_package.activate(*where, version, ActivateApplicationPackageParameters(format="zip"), **plain)
print(f"published {application} {version}: {len(files)} files")
