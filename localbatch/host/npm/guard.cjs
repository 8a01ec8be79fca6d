"use strict";

// Preloaded into npm: ends it when standard input is closed, which happens however the process that installs dies.
process.stdin.on("end", () => process.exit(1)).on("error", () => process.exit(1)).resume();
process.stdin.unref();
