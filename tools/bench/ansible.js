// Ansible on the nodes of a bench: the same as a node patch with the apt module, in the form that is quickest.
'use strict';
const { existsSync, mkdirSync, writeFileSync } = require('node:fs');
const path = require('node:path');
require('../register');
const { cacheDir, runProgram, which } = require('../../src/dev/host');

/** Facts are not gathered and the interpreter is not searched for: either takes a second more. */
const PLAYBOOK = `- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.apt:
        update_cache: true
        upgrade: dist
`;

/** The module needs the bindings of apt for Python. */
const NEEDED_ON_NODE =
  'export DEBIAN_FRONTEND=noninteractive; apt-get -qq update && apt-get -qq -y --no-install-recommends install python3-apt';

/**
 * Ansible for the node; `version` is null, with a sentence in `missing`, where this machine has none.
 */
async function findAnsible() {
  const own = path.join(cacheDir('bench'), 'ansible-venv/bin/ansible-playbook');
  const program = which('ansible-playbook') ?? (existsSync(own) ? own : undefined);
  if (program === undefined) {
    const venv = path.dirname(path.dirname(own));
    const missing = `Ansible is left out: ansible-playbook is not on PATH; \`apt-get install ansible-core\` brings it, or \`python3 -m venv ${venv} && ${venv}/bin/pip install ansible-core\``;
    return { version: null, missing };
  }
  const { stdout } = await runProgram(program, ['--version']);
  return {
    version: /core (\S+?)\]/.exec(stdout)?.[1] ?? 'unknown',
    prepare: (lab, nodes, user) => prepare(program, lab, nodes, user),
  };
}

/** Returns what runs the playbook once on all nodes at the same time, with logins of its own. @throws Error when it fails */
async function prepare(program, lab, nodes, user) {
  await Promise.all(
    nodes.map(async (node) => {
      const { code, stdout, stderr } = await node.exec(NEEDED_ON_NODE);
      if (code !== 0) throw new Error(`python3-apt cannot be installed on ${node.name}:\n${stdout}${stderr}`);
    }),
  );
  const dir = path.join(lab.dir, 'ansible');
  mkdirSync(dir);
  const inventory = path.join(dir, 'inventory');
  const playbook = path.join(dir, 'playbook.yml');
  const variables = {
    ansible_user: user,
    ansible_ssh_private_key_file: path.join(lab.keyDir, lab.keyName),
    ansible_ssh_common_args: `'-F none -o UserKnownHostsFile=${path.join(lab.dir, 'known_hosts')} -o IdentitiesOnly=yes'`,
    ansible_python_interpreter: '/usr/bin/python3',
    ansible_become: user !== 'root',
  };
  const named = Object.entries(variables).map(([name, value]) => `${name}=${value}`);
  const lines = nodes.map(({ name, host, port }) =>
    [name, `ansible_host=${host}`, `ansible_port=${port}`, ...named].join(' '),
  );
  writeFileSync(inventory, `${lines.join('\n')}\n`);
  writeFileSync(playbook, PLAYBOOK);
  const env = {
    PATH: process.env.PATH,
    HOME: dir,
    LC_ALL: 'C.UTF-8',
    ANSIBLE_PIPELINING: 'True',
    ANSIBLE_FORKS: String(nodes.length),
    // Ended with the sessions of the node, so that each run has one of its own, as one an hour after the last has.
    ANSIBLE_SSH_CONTROL_PATH_DIR: path.join(dir, 'cp'),
  };
  return async () => {
    const run = await runProgram(program, ['-i', inventory, playbook], { cwd: dir, env });
    if (run.code !== 0) throw new Error(`ansible-playbook has failed:\n${run.stdout}${run.stderr}`);
    return {};
  };
}

module.exports = { findAnsible };
