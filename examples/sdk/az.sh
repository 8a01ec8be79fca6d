#!/usr/bin/env bash
# Azure CLI against localbatch: `python -m localbatch > azure.json &`, then `bash examples/sdk/az.sh azure.json`.
# Nobody logs in: three variables say where the account is and who asks.
set -euo pipefail

field() { python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))[sys.argv[2]])' "$1" "$2"; }
AZURE_BATCH_ACCOUNT=$(field "$1" batch_account)
AZURE_BATCH_ACCESS_KEY=$(field "$1" batch_key)
AZURE_BATCH_ENDPOINT=$(field "$1" batch_endpoint)
export AZURE_BATCH_ACCOUNT AZURE_BATCH_ACCESS_KEY AZURE_BATCH_ENDPOINT AZURE_CORE_OUTPUT=tsv AZURE_CORE_ONLY_SHOW_ERRORS=true

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
say() { echo "== $1"; }
refused() { if "$@" 2> "$work/error"; then echo "not refused"; else head -n 1 "$work/error"; fi; }

say "a pool of two nodes, with a start task"
az batch pool supported-images list --filter "osType eq 'linux'" --query "[?contains(nodeAgentSkuId, '24.04')].imageReference.offer | [0]"
az batch pool create --id az --vm-size standard_d2s_v3 --target-dedicated-nodes 2 --task-slots-per-node 4 \
    --image canonical:ubuntu-24_04-lts:server --node-agent-sku-id "batch.node.ubuntu 24.04" \
    --start-task-command-line "/bin/bash -c 'echo prepared > \$AZ_BATCH_NODE_SHARED_DIR/ready'" --start-task-wait-for-success
refused az batch pool create --id az --vm-size standard_d2s_v3 --target-dedicated-nodes 1 \
    --image canonical:ubuntu-24_04-lts:server --node-agent-sku-id "batch.node.ubuntu 24.04"
until [[ $(az batch node list --pool-id az --filter "state eq 'idle'" --query "length(@)") == 2 ]]; do :; done
az batch node list --pool-id az --select id,state --query "[].state"
az batch pool node-counts list --filter "poolId eq 'az'" --query "[0].dedicated.[idle, total]"
az batch pool set --pool-id az --metadata owner=me
az batch pool show --pool-id az --query "[state, allocationState, currentDedicatedNodes, metadata[0].value]"

say "a job, and what can be changed of it"
az batch job create --id az --pool-id az --priority 1
az batch job set --job-id az --priority 10
az batch job show --job-id az --query "[state, priority, poolInfo.poolId]"
az batch job list --filter "state eq 'active'" --query "[].id"

say "tasks from a file, and one by itself that fails"
for n in 1 2 3 4 5; do echo "{\"id\": \"task-$n\", \"commandLine\": \"/bin/bash -c 'echo task $n on \$AZ_BATCH_POOL_ID'\"}"; done |
    python3 -c 'import json, sys; print(json.dumps([json.loads(line) for line in sys.stdin]))' > "$work/tasks.json"
az batch task create --job-id az --json-file "$work/tasks.json" --query "[].[taskId, status]"
az batch task create --job-id az --task-id fails --command-line "/bin/bash -c 'echo no luck >&2; exit 3'" --query id
until [[ $(az batch job task-counts show --job-id az --query taskCounts.completed) == 6 ]]; do :; done
az batch job task-counts show --job-id az --query "taskCounts.[succeeded, failed]"
az batch task list --job-id az --filter "executionInfo/result eq 'failure'" \
    --query "[].[id, executionInfo.exitCode, executionInfo.failureInfo.code]"
az batch task reactivate --job-id az --task-id fails
refused az batch task show --job-id az --task-id missing

say "files of a task and of its node"
az batch task file list --job-id az --task-id task-1 --query "[].name"
az batch task file download --job-id az --task-id task-1 --file-path stdout.txt --destination "$work/stdout.txt"
cat "$work/stdout.txt"
node=$(az batch task show --job-id az --task-id task-1 --query nodeInfo.nodeId)
az batch node file list --pool-id az --node-id "$node" --query "[].name"
az batch node file download --pool-id az --node-id "$node" --file-path shared/ready --destination "$work/ready"
cat "$work/ready"

say "a schedule, and a node that reboots"
az batch job-schedule create --id hourly --pool-id az --recurrence-interval PT1H \
    --job-manager-task-id manager --job-manager-task-command-line "/bin/bash -c 'echo managed \$AZ_BATCH_JOB_ID'"
until [[ $(az batch job list --job-schedule-id hourly --query "[0].state") == completed ]]; do :; done
az batch job-schedule show --job-schedule-id hourly --query executionInfo.recentJob.id
az batch job-schedule delete --job-schedule-id hourly --yes
az batch node reboot --pool-id az --node-id "$node"
until [[ $(az batch node show --pool-id az --node-id "$node" --query state) == idle ]]; do :; done
az batch pool autoscale enable --pool-id az --auto-scale-formula '$TargetDedicatedNodes = 2;'
az batch pool autoscale evaluate --pool-id az --auto-scale-formula '$TargetDedicatedNodes = min(4, 3);' --query results
az batch pool autoscale disable --pool-id az

say "the end"
az batch task create --job-id az --task-id sleeps --command-line "sleep 600" --query id
until [[ $(az batch task show --job-id az --task-id sleeps --query state) == running ]]; do :; done
az batch task stop --job-id az --task-id sleeps
az batch task show --job-id az --task-id sleeps --query "[state, executionInfo.failureInfo.code]"
az batch task delete --job-id az --task-id sleeps --yes
az batch job stop --job-id az --terminate-reason enough
until [[ $(az batch job show --job-id az --query state) == completed ]]; do :; done
az batch job show --job-id az --query executionInfo.terminateReason
refused az batch task create --job-id az --task-id late --command-line true
az batch job delete --job-id az --yes
az batch pool resize --pool-id az --target-dedicated-nodes 1
until [[ $(az batch pool show --pool-id az --query allocationState) == steady ]]; do :; done
az batch pool show --pool-id az --query currentDedicatedNodes
az batch pool delete --pool-id az --yes
until [[ -z $(az batch pool list --query "[].id") ]]; do :; done
echo "nothing is left"
