/** Nodes behind jump hosts, over both transports, and a node whose host key changes. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import '../support/slow-suite';
import type { Stack } from './stack';
import { startStack } from './stack';

let stack: Stack;

beforeAll(async () => {
  stack = await startStack([
    { name: 'w-1', updates: 'none', labReboot: true },
    { name: 'w-2', updates: 'none', labReboot: true },
  ]);
  trust(stack.lab.knownHosts);
});

afterAll(() => stack.stop());

function trust(knownHosts: string): void {
  writeFileSync(path.join(stack.lab.dir, 'specs', 'known_hosts'), knownHosts);
}

function jumpThrough(name: string): string {
  const node = stack.lab.node(name);
  return `jump: [{host: ${node.host}, port: ${node.port}, user: root}]`;
}

describe('e2e/trust', () => {
  it.each([
    ['builtin', 'w-1', 'w-2'],
    ['openssh', 'w-2', 'w-1'],
  ])('patches and reboots over transport %s a node behind a jump host', async (transport, node, hop) => {
    const file = stack.writeSpec({
      name: `behind-${transport}`,
      patching: '{rebootIfRequired: true}',
      nodes: [node],
      ssh: `transport: ${transport}, ${jumpThrough(hop)}`,
    });
    expect(await stack.cli('apply', '-f', file)).toMatchObject({ code: 0 });
    const patched = await stack.cli('patch', `behind-${transport}`, '--wait');
    expect(patched).toMatchObject({ code: 0 });
    expect(stack.transactions(node)).toBe(1);
    expect(stack.lab.node(node).bootCount).toBe(2);
    expect((await stack.status(`behind-${transport}`)).nodes[0]).toMatchObject({ state: 'patched' });
  });

  it('reports that a key behind a jump host has to be entered by hand', async () => {
    const hop = stack.lab.node('w-2');
    trust(`[${hop.host}]:${hop.port} ${hop.hostKey}\n`);
    const file = stack.writeSpec({ name: 'unknown', patching: '{}', nodes: ['w-1'], ssh: jumpThrough('w-2') });
    const enrolled = await stack.cli('enroll', '-f', file, '--yes');
    expect(enrolled).toMatchObject({ code: 1 });
    expect(enrolled.stderr).toMatch(
      /not reached: w-1 is behind the jump host 127\.0\.0\.1, and `ospatch enroll` connects/,
    );
    trust(stack.lab.knownHosts);
  });

  it('keeps a node with a changed host key in quarantine until the new key is trusted', async () => {
    const file = stack.writeSpec({ name: 'changed', patching: '{}' });
    await stack.cli('apply', '-f', file);
    const node = stack.lab.node('w-1');
    const key = '/etc/ssh/ssh_host_ed25519_key';
    const restarted = await node.exec(
      `rm ${key} ${key}.pub && ssh-keygen -q -t ed25519 -N '' -C '' -f ${key} && systemctl restart ssh`,
    );
    expect(restarted).toMatchObject({ code: 0 });
    const newKey = node.readFile(`${key}.pub`).trim().split(' ').slice(0, 2).join(' ');
    await node.waitForSsh();
    const first = await stack.cli('patch', 'changed', '--wait');
    expect(first).toMatchObject({ code: 1 });
    expect(first.stdout).toMatch(
      /w-1 .* has another host key .* expected ssh-ed25519 SHA256:\S+, got ssh-ed25519 SHA256:/,
    );

    // A connection would now fail as unreachable.
    await node.stop();
    const second = await stack.cli('patch', 'changed', '--wait');
    expect(second).toMatchObject({ code: 1 });
    const status = await stack.status('changed');
    expect(status.nodes).toMatchObject([
      { name: 'w-1', state: 'failed', lastError: { type: 'HostKeyMismatch' }, quarantine: { type: 'HostKeyMismatch' } },
      { name: 'w-2', lastError: null },
    ]);

    node.start();
    await node.waitForSsh();
    trust(stack.lab.knownHosts.replace(node.hostKey, newKey));
    expect(await stack.cli('apply', '-f', file)).toMatchObject({ code: 0 });
    expect(await stack.cli('patch', 'changed', '--wait')).toMatchObject({ code: 0 });
    const [healed] = (await stack.status('changed')).nodes;
    expect(healed).toMatchObject({ name: 'w-1', lastError: null });
    expect(healed).not.toHaveProperty('quarantine');
  });
});
