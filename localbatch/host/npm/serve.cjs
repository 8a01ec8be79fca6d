"use strict";

// Serves Azurite's Blob service to one owner.
//
// Usage: node serve.cjs '{"installation": DIR, "location": DIR | null, "port": 0, "saveSeconds": 1, "collectSeconds": 60}'
//
// A location of null keeps everything in memory; saveSeconds of null never writes the list of blobs to the disk.
//
// One JSON line on standard output says where it listens. It ends on SIGTERM, on SIGINT and when standard input is
// closed, which happens however the owner dies. Exit statuses: 0 stopped, 1 failed, 3 the installation cannot be loaded.
// Azurite's own command line offers neither of these, and starts a telemetry client; hence its classes are used here.

const { createRequire } = require("node:module");
const { mkdirSync } = require("node:fs");
const { join } = require("node:path");

const DAMAGED_INSTALLATION = 3;
const KEEP_ALIVE_SECONDS = 600;
const OPEN_EXTENTS = 50;
const REST_AFTER_COLLECTION = 20;

function fail(status, error) {
  process.stderr.write(`${String(error && error.message ? error.message : error).split("\n")[0]}\n`);
  process.exit(status);
}

function loadClasses(installation) {
  const load = createRequire(join(installation, "package.json"));
  return {
    Configuration: load("azurite/dist/src/blob/BlobConfiguration").default,
    Server: load("azurite/dist/src/blob/BlobServer").default,
  };
}

function configure(Configuration, options) {
  const folder = options.location ?? ".";
  const inMemory = options.location === null;
  if (!inMemory) mkdirSync(folder, { recursive: true });
  const extents = [{ locationId: "Default", locationPath: join(folder, "__blobstorage__"), maxConcurrency: OPEN_EXTENTS }];
  return new Configuration(
    "127.0.0.1",
    options.port,
    KEEP_ALIVE_SECONDS,
    join(folder, "__azurite_db_blob__.json"),
    join(folder, "__azurite_db_blob_extent__.json"),
    extents,
    false, // access log
    undefined,
    false, // debug log
    undefined,
    false, // loose mode
    true, // skip the check of x-ms-version: SDKs are newer than Azurite
    "",
    "",
    "",
    undefined, // OAuth
    true, // the account is always the first segment of the path
    inMemory,
  );
}

function setIntervals(server, options) {
  for (const store of [server.metadataStore, server.extentMetadataStore]) {
    if (options.saveSeconds === null) {
      store.db.autosaveDisable();
      store.db.autosave = false; // else closing would save
    } else {
      store.db.configureOptions({ ...store.db.options, autosaveInterval: options.saveSeconds * 1000 });
    }
  }
  restAfterCollections(server.gcManager, options.collectSeconds * 1000);
  // A body may take longer than Node's five minutes on a busy machine; only the owner's own programs call.
  server.httpServer.requestTimeout = 0;
}

// The time for a collection grows with the square of the number of blobs: minutes at a million, in which all wait.
function restAfterCollections(manager, least) {
  const collect = manager.markSweep.bind(manager);
  manager.gcIntervalInMS = least;
  manager.markSweep = async () => {
    const begun = Date.now();
    await collect();
    manager.gcIntervalInMS = Math.max(least, REST_AFTER_COLLECTION * (Date.now() - begun));
  };
}

function stopOnRequest(server) {
  let stopping = false;
  const stop = () => {
    if (stopping) return;
    stopping = true;
    server.close().then(
      () => process.exit(0),
      (error) => fail(1, error),
    );
  };
  process.on("SIGTERM", stop).on("SIGINT", stop);
  process.stdin.on("end", stop).on("error", stop).resume();
}

async function main() {
  const options = JSON.parse(process.argv[2]);
  let classes;
  try {
    classes = loadClasses(options.installation);
  } catch (error) {
    fail(DAMAGED_INSTALLATION, error);
  }
  const server = new classes.Server(configure(classes.Configuration, options));
  setIntervals(server, options);
  await server.start();
  stopOnRequest(server);
  process.stdout.write(`${JSON.stringify({ endpoint: server.getHttpServerAddress(), pid: process.pid })}\n`);
}

main().catch((error) => fail(1, error));
