"""Secrets of tasks: where their values come from, where they wait for the tasks, how they get into variables.

A value of a Prefect Secret block lies in a blob for as long as the run lasts, in a container that no task's link can
write to. Each task is given a link that reads it, and takes the file away before its command begins. A secret of Key
Vault is fetched by the node itself, with its own identity.
"""

import shlex
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from azure.batch import models

from prefect_azure_batch.blocks.azure_storage import AzureStorageCredentials
from prefect_azure_batch.blocks.errors import CredentialError
from prefect_azure_batch.blocks.pool_parts import check_variables
from prefect_azure_batch.blocks.secrets import read_secret
from prefect_azure_batch.tasks import transfer
from prefect_azure_batch.tasks.access import StorageAccess
from prefect_azure_batch.tasks.errors import BadInput, translated
from prefect_azure_batch.tasks.records import Place
from prefect_azure_batch.tasks.secret_sources import SecretSource

SECRETS_CONTAINER = "batch-secrets"
NO_SECRET = 78
"""Exit code of a task that did not get a secret. Source: EX_CONFIG of <sysexits.h>."""

_FOLDER = ".secrets"
# Whether Batch fetches files again for an attempt on the same node is not written anywhere.
_KEPT_FOLDER = f"../{_FOLDER}"
# Sources: "How to use managed identities for Azure resources on an Azure VM to acquire an access token" and "Get
# Secret" of Azure Key Vault, Microsoft Learn. The variable is the one by which azure-identity finds the service, too.
_FETCH = """
import json, os, sys, time
from urllib import error, parse, request
def get(opener, link, headers):
    for pause in (1, 2, 4, 8, 0):
        try:
            with opener.open(request.Request(link, headers=headers), timeout=20) as answer:
                return json.load(answer)
        except error.HTTPError as refused:
            if refused.code not in (404, 410, 429) and refused.code < 500 or not pause:
                raise
        except OSError:
            if not pause:
                raise
        time.sleep(pause)
secret, resource, identity = sys.argv[1:]
host = os.environ.get("AZURE_POD_IDENTITY_AUTHORITY_HOST") or "http://169.254.169.254"
query = {"api-version": "2018-02-01", "resource": resource, **({"msi_res_id": identity} if identity else {})}
asked = host + "/metadata/identity/oauth2/token?" + parse.urlencode(query)
try:
    where = "the identity of the node"
    token = get(request.build_opener(request.ProxyHandler({})), asked, {"Metadata": "true"})["access_token"]
    where = parse.urlsplit(secret).netloc
    found = get(request.build_opener(), secret + "?api-version=7.4", {"Authorization": "Bearer " + token})
except (OSError, ValueError, KeyError) as problem:
    sys.exit(f"{where}: {problem}")
sys.stdout.write(found["value"] + "x")
"""

_TAKE = """
if [ -d {folder} ]; then mkdir -p -m 700 {kept} && mv -f {folder}/* {kept}/ && rmdir {folder}; fi
for _name in {names}; do
    _value=$(cat "{kept}/$_name" && echo x) || {{
        echo "The secret $_name has not come to this node." >&2; exit {code}; }}
    export "$_name=${{_value%x}}"
done
unset _name _value{then}
""".strip()
_ASK = """
_value=$(python3 -c {program} {secret} {resource} {identity}) || {{
    echo "The secret {name} could not be fetched from Key Vault." >&2; exit {code}; }}
export {name}="${{_value%x}}"
unset _value
""".strip()


def read_values(sources: Sequence[SecretSource]) -> dict[str, str]:
    """The values of those that are Prefect Secret blocks, by the names of their variables. No record may hold them.

    Raises:
        BadInput: there is no such block, or its value fits into no variable.
    """
    try:
        values = {each.variable: read_secret(each.name, "by --secret") for each in sources if each.kind == "prefect"}
        return check_variables(values)
    except (CredentialError, ValueError) as error:
        raise BadInput(f"--secret: {error}") from None


def store_values(storage: AzureStorageCredentials, run_id: str, values: Mapping[str, str]) -> None:
    """Lays values where the tasks of a run can read them, over what lay there.

    Raises:
        ServiceFailure: Storage refused or failed a request.
    """
    place = place_of(run_id)
    with translated(f"store the secrets of run {run_id!r}"):
        for variable, value in values.items():
            blob = (place / variable).folder
            transfer.write_blob(storage.get_client(), place.container, blob, [value.encode()])


def place_of(run_id: str) -> Place:
    """Where the secrets of a run lie while it lasts."""
    return Place(SECRETS_CONTAINER, run_id)


def secret_files(access: StorageAccess, run_id: str, sources: Sequence[SecretSource]) -> list[models.ResourceFile]:
    """The files by which a task of a run gets its secrets, for as long as the run may take.

    Raises:
        CredentialError: the credential cannot sign a link to them.
        AzureError: Storage refused to give a user delegation key.
    """
    place = place_of(run_id)
    files = []
    for variable in (each.variable for each in sources if each.kind == "prefect"):
        file = access.resource_file(place.container, (place / variable).folder, f"{_FOLDER}/{variable}")
        file.file_mode = "0600"
        files.append(file)
    return files


def with_secrets(script: str, sources: Sequence[SecretSource], *, keeps_files: bool) -> str:
    """A script with secrets in its variables.

    Args:
        script: of a task.
        sources: the secrets.
        keeps_files: they stay beside the working directory, for further attempts of Batch's own; otherwise they are
            taken away before the script begins.
    """
    names = " ".join(each.variable for each in sources if each.kind == "prefect")
    then = "" if keeps_files else f"; rm -rf {_KEPT_FOLDER}"
    parts = [_TAKE.format(folder=_FOLDER, kept=_KEPT_FOLDER, names=names, code=NO_SECRET, then=then)] if names else []
    parts += [_asking(each) for each in sources if each.kind == "keyvault"]
    return "\n".join([*parts, script])


def _asking(source: SecretSource) -> str:
    address = urlsplit(source.name)
    words = {
        "program": _FETCH.strip(),
        "secret": source.name,
        "resource": f"https://{(address.hostname or '').partition('.')[2]}",
        "identity": source.identity,
    }
    return _ASK.format(name=source.variable, code=NO_SECRET, **{key: shlex.quote(word) for key, word in words.items()})
