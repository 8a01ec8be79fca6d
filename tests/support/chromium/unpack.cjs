"use strict";

// Unpacks what the package holds, for Python knows no Brotli: node unpack.cjs PACKAGE
const { createReadStream, createWriteStream, readdirSync } = require("node:fs");
const { join } = require("node:path");
const { pipeline } = require("node:stream/promises");
const { createBrotliDecompress } = require("node:zlib");

const bin = join(process.argv[2], "bin");
const packed = readdirSync(bin).filter((name) => name.endsWith(".br"));
Promise.all(packed.map((name) => {
  const target = join(bin, name.slice(0, -".br".length));
  return pipeline(createReadStream(join(bin, name)), createBrotliDecompress(), createWriteStream(target));
}));
