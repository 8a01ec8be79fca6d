// @azure/batch for Node.js against localbatch: `python -m localbatch > azure.json &`, then in this directory
// `npm install` and `node session.js ../../../azure.json`.

import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import batch from "@azure/batch";

const ready = JSON.parse(readFileSync(process.argv[2], "utf8"));
const credentials = new batch.BatchSharedKeyCredentials(ready.batch_account, ready.batch_key);
const client = new batch.BatchServiceClient(credentials, ready.batch_endpoint);

// What a call that is refused says.
const refused = (call) => call.then(() => "not refused", (error) => `${error.statusCode} ${error.code ?? error.body?.code}`);
const until = async (holds) => { while (!(await holds())) await sleep(200); };
const read = async (file) => { let text = ""; for await (const part of (await file).readableStreamBody) text += part; return text.trim(); };
const names = (list) => list.map((item) => item.name).sort().join(" ");

// A pool of two nodes, with a start task.
const images = await client.account.listSupportedImages({ accountListSupportedImagesOptions: { filter: "osType eq 'linux'" } });
const pool = {
  id: "npm", vmSize: "standard_d2s_v3", targetDedicatedNodes: 2, taskSlotsPerNode: 4,
  virtualMachineConfiguration: { imageReference: images[0].imageReference, nodeAgentSKUId: images[0].nodeAgentSKUId },
  startTask: { commandLine: "/bin/bash -c 'echo prepared > $AZ_BATCH_NODE_SHARED_DIR/ready'", waitForSuccess: true },
};
await client.pool.add(pool);
console.log("created twice:", await refused(client.pool.add(pool)));
const idle = { computeNodeListOptions: { filter: "state eq 'idle'", select: "id,state,startTaskInfo" } };
await until(async () => (await client.computeNode.list("npm", idle)).length === 2);
console.log("nodes:", (await client.computeNode.list("npm", idle)).map((node) => `${node.state} ${node.startTaskInfo.exitCode}`));
const [counts] = await client.account.listPoolNodeCounts({ accountListPoolNodeCountsOptions: { filter: "poolId eq 'npm'" } });
console.log("node counts:", counts.dedicated.idle, "idle of", counts.dedicated.total);
await client.pool.patch("npm", { metadata: [{ name: "owner", value: "me" }] });
const shown = await client.pool.get("npm", { poolGetOptions: { select: "id,metadata" } });
console.log("pool:", shown.metadata[0].value, (await client.pool.exists("npm")).body);

// A job, and what can be changed of it.
await client.job.add({ id: "npm", poolInfo: { poolId: "npm" } });
await client.job.patch("npm", { priority: 10 });
const job = await client.job.get("npm");
console.log("job:", job.state, "priority", job.priority, job.creationTime instanceof Date);
const unchanged = { jobPatchOptions: { ifMatch: job.eTag } };
await client.job.patch("npm", { priority: 20 }, unchanged);
console.log("changed since:", await refused(client.job.patch("npm", { priority: 30 }, unchanged)));
console.log("jobs:", (await client.job.list({ jobListOptions: { filter: "state eq 'active'" } })).map((each) => each.id));

// Tasks at once, and one by itself that fails.
const tasks = Array.from({ length: 50 }, (_, n) => ({ id: `task-${n}`, commandLine: `/bin/bash -c 'echo task ${n} on $AZ_BATCH_POOL_ID'` }));
const added = await client.task.addCollection("npm", tasks);
console.log("added:", added.value.filter((result) => result.status.toLowerCase() === "success").length);
await client.task.add("npm", { id: "fails", commandLine: "/bin/bash -c 'echo no luck >&2; exit 3'" });
await until(async () => (await client.job.getTaskCounts("npm")).taskCounts.completed === 51);
const { succeeded, failed } = (await client.job.getTaskCounts("npm")).taskCounts;
console.log("succeeded:", succeeded, "failed:", failed);
for (const task of await client.task.list("npm", { taskListOptions: { filter: "executionInfo/result eq 'failure'" } }))
  console.log("failed:", task.id, task.executionInfo.exitCode, task.executionInfo.failureInfo.code);
await client.task.reactivate("npm", "fails");
const page = await client.task.list("npm", { taskListOptions: { maxResults: 30 } });
const rest = await client.task.listNext(page.odatanextLink);
console.log("pages:", page.length, rest.length);
console.log("missing:", await refused(client.task.get("npm", "missing")));

// Files of a task and of its node.
console.log("files:", names(await client.file.listFromTask("npm", "task-7")));
console.log("stdout:", await read(client.file.getFromTask("npm", "task-7", "stdout.txt")));
const part = { fileGetFromTaskOptions: { ocpRange: "bytes=0-3" } };
console.log("bytes 0 to 3:", await read(client.file.getFromTask("npm", "task-7", "stdout.txt", part)));
console.log("size:", (await client.file.getPropertiesFromTask("npm", "task-7", "stdout.txt")).contentLength);
const { nodeId } = (await client.task.get("npm", "task-7")).nodeInfo;
console.log("on the node:", names(await client.file.listFromComputeNode("npm", nodeId)));
console.log("its start task:", await read(client.file.getFromComputeNode("npm", nodeId, "shared/ready")));

// The end: a running task is terminated with its job, then everything is deleted.
await client.task.add("npm", { id: "sleeps", commandLine: "sleep 600" });
await until(async () => (await client.task.get("npm", "sleeps")).state === "running");
await client.job.terminate("npm", { terminateReason: "enough" });
await until(async () => (await client.job.get("npm")).state === "completed");
const ended = (await client.job.get("npm")).executionInfo.terminateReason;
console.log("job ended:", ended, "- task:", (await client.task.get("npm", "sleeps")).executionInfo.failureInfo.code);
console.log("too late:", await refused(client.task.add("npm", { id: "late", commandLine: "true" })));
await client.job.deleteMethod("npm");
await client.pool.resize("npm", { targetDedicatedNodes: 1 });
await until(async () => (await client.pool.get("npm")).allocationState === "steady");
console.log("nodes left:", (await client.pool.get("npm")).currentDedicatedNodes);
await client.pool.deleteMethod("npm");
await until(async () => !(await client.pool.exists("npm")).body);
console.log("pools left:", (await client.pool.list()).length);
