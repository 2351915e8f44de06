#!/usr/bin/env node
// Runs the program of the package for this machine, which npm has installed beside this one, with the same words,
// environment, descriptors and exit status.
"use strict";

const { spawn } = require("node:child_process");
const { constants } = require("node:os");

const name = `origin-proxy-${process.platform}-${process.arch}`;

function fail(reason) {
  console.error(`origin-proxy: ${reason}`);
  process.exit(1);
}

function programPath() {
  const packages = Object.keys(require("./package.json").optionalDependencies);
  if (!packages.includes(name)) {
    fail(`there is no package for ${process.platform} on ${process.arch}, only ${packages.join(" and ")}`);
  }
  try {
    return require.resolve(`${name}/bin/origin-proxy`);
  } catch {
    return fail(`the package ${name} is missing: npm installs it with this one, unless optional packages are left ` +
      "out (--omit=optional), or node_modules comes from a machine of another kind");
  }
}

// In a process group of its own: a terminal and "timeout" send signals to a whole group, and the program takes a second
// SIGINT or SIGTERM for "at once". So each signal reaches it once, by the lines below.
const child = spawn(programPath(), process.argv.slice(2), { stdio: "inherit", detached: true });
child.on("error", (error) => fail(error.message));
let ending = false;
for (const signal of ["SIGHUP", "SIGUSR1", "SIGUSR2"]) {
  process.on(signal, () => child.kill(signal));
}
for (const signal of ["SIGINT", "SIGTERM"]) {
  process.on(signal, () => {
    ending = true;
    child.kill(signal);
  });
}
// npx that is told to end by a signal to it alone ends its shell, and would leave this process and the program behind.
if (process.env.npm_command === "exec") {
  const parent = process.ppid;
  setInterval(() => {
    if (process.ppid !== parent && !ending) {
      ending = true;
      child.kill("SIGTERM");
    }
  }, 500).unref();
}
// As a shell says it if a signal ended the program.
child.on("exit", (code, signal) => process.exit(signal === null ? code : 128 + constants.signals[signal]));
