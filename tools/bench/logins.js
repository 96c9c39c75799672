// Ends the SSH sessions that a node has, so that whoever comes next logs in anew.
'use strict';
const { readFileSync, readdirSync, readlinkSync } = require('node:fs');
const { setTimeout: sleep } = require('node:timers/promises');

const SESSION = /^sshd(-session)?: /;
const TIMEOUT_MS = 10_000;

/** Process ids, on this machine, of the sessions of sshd in the node. */
function sessionsOf(node) {
  const space = namespaceOf(node.initPid);
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        const command = readFileSync(`/proc/${pid}/cmdline`, 'latin1');
        return SESSION.test(command) && !command.includes('[listener]') && namespaceOf(pid) === space;
      } catch {
        // It has ended meanwhile.
        return false;
      }
    })
    .map(Number);
}

function namespaceOf(pid) {
  return readlinkSync(`/proc/${pid}/ns/pid`);
}

/** Ends all sessions of the node and waits until they are gone. @throws Error when they stay for 10 s */
async function closeLogins(node) {
  const until = Date.now() + TIMEOUT_MS;
  for (let open = sessionsOf(node); open.length > 0; open = sessionsOf(node)) {
    if (Date.now() > until) throw new Error(`the SSH sessions ${open.join(', ')} do not end`);
    for (const pid of open) {
      try {
        process.kill(pid, 'SIGTERM');
      } catch (error) {
        if (error.code !== 'ESRCH') throw error;
      }
    }
    await sleep(20);
  }
}

module.exports = { closeLogins };
