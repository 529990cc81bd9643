#!/usr/bin/env node
// The command `signalbox`: the same door as `npm start`, with whatever was typed after it.
process.argv.splice(2, 0, "signalbox");
await import("./bootstrap.mjs");
