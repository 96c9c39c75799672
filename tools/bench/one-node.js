// One node, the product and bare ssh side by side: what a node patch costs beyond the same apt commands over a fresh
// connection. Usage: node tools/bench/one-node.js [--suite SUITE] [--rounds N] [--updates N] [--packages tiny|real]
//   [--user root|ospatch] [--json FILE]
//
// Every round is one patch of each kind, in turn, so that a busy machine or a slow mirror slows all. Each logs in anew;
// the worker is warm. Of the product counts the workflow, from its start to its end, as the Temporal server has noted it.
'use strict';
const { execFileSync } = require('node:child_process');
const { randomBytes } = require('node:crypto');
const { readFileSync, readdirSync, rmSync, writeFileSync } = require('node:fs');
const path = require('node:path');
const { parseArgs } = require('node:util');
const { Client, Connection } = require('@temporalio/client');
require('../register');
const { DEFAULT_PACKAGE_POLICY } = require('../../src/domain/spec/package-policy');
const { createLab } = require('../lab/lab');
const { REPOSITORY_DIR, buildDeb, indexRepository } = require('../lab/packages');
const { startTemporalServer } = require('../../src/dev/temporal-server');
const { startWorkerProcess } = require('../worker-process');
const { TASK_QUEUE, nodeWorkflowId } = require('../../src/contract/workflow-ids');

/** What somebody types who wants no more than the updates. */
const BARE =
  'export DEBIAN_FRONTEND=noninteractive; apt-get update && apt-get -y -o Dpkg::Options::=--force-confold dist-upgrade';

/**
 * What a careful script does, which promises the same as a node patch: lists without gaps or nothing, the set of changes
 * on record before anything changes, no removals, configuration files kept; then whether all is installed, which units
 * have failed, whether a reboot is required, and which processes still run replaced code.
 */
const CAREFUL = `export DEBIAN_FRONTEND=noninteractive
apt-get update -o APT::Update::Error-Mode=any &&
  apt-get -s --no-remove dist-upgrade &&
  apt-get -y --no-remove -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold dist-upgrade || exit
dpkg --audit
systemctl --failed --plain --no-legend
cat /run/reboot-required /run/reboot-required.pkgs 2>/dev/null
if command -v needrestart >/dev/null; then needrestart -b -r l; else grep -ls "(deleted)" /proc/[0-9]*/maps; fi
true`;

const { values } = parseArgs({
  options: {
    suite: { type: 'string', default: 'bookworm' },
    rounds: { type: 'string', default: '10' },
    updates: { type: 'string', default: '0' },
    packages: { type: 'string', default: 'tiny' },
    user: { type: 'string', default: 'root' },
    json: { type: 'string' },
  },
});
const rounds = Number(values.rounds);
const updates = Number(values.updates);

/** As small as a package can be: some files, and a script that does nothing. What is there beside dpkg shows most. */
function tinyPackage(index, version) {
  const files = {};
  for (let n = 0; n < 20; n += 1) files[`/usr/share/lab-bench-${index}/${n}`] = `${version} ${n}\n`.repeat(100);
  return { name: `lab-bench-${index}`, version, files, postinst: 'true' };
}

const MIB = 1024 * 1024;

/** Half of what a program holds cannot be compressed. The same in every version: dpkg unpacks it all the same. */
const NOISE = randomBytes(5 * MIB);

/**
 * As security updates are: a package of 1 to 5 MiB in xz, twice that to unpack, 60 files, a configuration file, the trigger of ldconfig that every
 * library has, and for every third package a service, whose script has systemd read its units again.
 */
function realPackage(index, version) {
  const name = `lab-bench-${index}`;
  const size = 1 + (index % 5);
  const files = {
    [`/etc/${name}.conf`]: `# ${name}\n`,
    [`/usr/lib/${name}/program`]: Buffer.concat([
      NOISE.subarray(0, size * MIB),
      Buffer.alloc(size * MIB, `${version} `),
    ]),
  };
  for (let n = 0; n < 58; n += 1) files[`/usr/share/${name}/${n}`] = `${version} ${n}\n`.repeat(500);
  const postinst =
    index % 3 === 0 ? 'if [ "$1" = configure ]; then systemctl --system daemon-reload || true; fi' : 'true';
  const triggers = 'activate-noawait ldconfig';
  return { name, version, files, preinst: 'true', postinst, triggers, compression: 1 };
}

const packageOf = { tiny: tinyPackage, real: realPackage }[values.packages];
if (packageOf === undefined) throw new Error(`--packages is tiny or real, not ${values.packages}`);
const packagesOf = (version) => Array.from({ length: updates }, (_, index) => packageOf(index + 1, version));

/** The members of a package file, which is an archive of ar, by name and with their headers. */
function membersOf(file) {
  const archive = readFileSync(file);
  const members = {};
  for (let at = 8; at < archive.length;) {
    const length = 60 + Number(archive.toString('latin1', at + 48, at + 58));
    members[archive.toString('latin1', at, at + 16).trim()] = archive.subarray(at, at + length);
    at += length + (length % 2);
  }
  return members;
}

const padded = (member) => (member.length % 2 === 0 ? member : Buffer.concat([member, Buffer.from('\n')]));

/** The compressed files of each real package, which take long to compress and are the same in every version. */
const dataOf = new Map();

async function build(repository, pkg) {
  if (values.packages === 'tiny') return buildDeb(repository, pkg);
  const isFirst = !dataOf.has(pkg.name);
  const configuration = Object.entries(pkg.files).filter(([name]) => name.startsWith('/etc/'));
  const file = path.join(
    repository,
    await buildDeb(repository, isFirst ? pkg : { ...pkg, files: Object.fromEntries(configuration) }),
  );
  const members = membersOf(file);
  if (isFirst) dataOf.set(pkg.name, members['data.tar.xz']);
  const parts = [members['debian-binary'], members['control.tar.xz'], dataOf.get(pkg.name)];
  writeFileSync(file, Buffer.concat([Buffer.from('!<arch>\n'), ...parts.map(padded)]));
}

/**
 * The repository of the node holds these and nothing older, so that no round is slower than the one before it. What was
 * written is on the disk before somebody else's fsync has to wait for it.
 */
async function offer(node, version) {
  const repository = path.join(node.rootDir, REPOSITORY_DIR);
  for (const file of readdirSync(repository)) if (file.startsWith('lab-bench-')) rmSync(path.join(repository, file));
  for (const pkg of packagesOf(version)) await build(repository, pkg);
  await indexRepository(repository);
  execFileSync('sync');
}

/** Seconds of processor time that the node has used since it booted; null where its control group does not tell. */
function processorTime(node) {
  const lines = readFileSync(`/proc/${node.initPid}/cgroup`, 'utf8').split('\n');
  const groups = lines.map((line) => /^\d+:([^:]*):(.*)$/.exec(line)).filter((match) => match !== null);
  const up = (group) => group.replace(/\/init\.scope$/, '');
  for (const [, controllers, group] of groups) {
    try {
      if (controllers.split(',').includes('cpuacct')) {
        return Number(readFileSync(`/sys/fs/cgroup/cpuacct${up(group)}/cpuacct.usage`, 'utf8')) / 1e9;
      }
      if (controllers === '') {
        const text = readFileSync(`/sys/fs/cgroup${up(group)}/cpu.stat`, 'utf8');
        return Number(/^usage_usec (\d+)$/m.exec(text)?.[1]) / 1e6;
      }
    } catch {
      // The next hierarchy may have it.
    }
  }
  return null;
}

/** Runs `work` and says how long it took, and how much of the node's processor. */
async function measured(node, work) {
  const cpu = processorTime(node);
  const started = performance.now();
  const more = await work();
  const wall = (performance.now() - started) / 1000;
  const used = processorTime(node);
  return { wall, cpu: cpu === null || used === null ? null : used - cpu, ...more };
}

function median(numbers) {
  const sorted = numbers.filter((number) => number !== null && number !== undefined).toSorted((a, b) => a - b);
  if (sorted.length === 0) return null;
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

async function main() {
  // Tiny ones at first, of which an image of the node can be kept.
  const labUpdates = Array.from({ length: updates }, (_, index) => tinyPackage(index + 1, '1.0')).map((from) => ({
    from,
    to: from,
  }));
  const lab = await createLab({
    nodes: [{ name: 'bench', suite: values.suite, updates: 'none', archive: true, labUpdates }],
    log: (line) => console.error(line),
  });
  const node = lab.node('bench');
  const server = await startTemporalServer({ headless: true });
  const worker = await startWorkerProcess({ address: server.address, keyDir: lab.keyDir });
  const connection = await Connection.connect({ address: server.address });
  const client = new Client({ connection });
  let logins = 0;

  const byHand = (script) => async () => {
    const command = values.user === 'root' ? script : `sudo -n sh -c '${script}'`;
    const { code, stderr, stdout } = await node.exec(command, values.user);
    if (code !== 0) throw new Error(`bare apt has failed:\n${stdout}${stderr}`);
    const upgraded = Number(/^(\d+) upgraded/m.exec(stdout)?.[1] ?? -1);
    if (upgraded !== updates) throw new Error(`bare apt has upgraded ${upgraded} packages instead of ${updates}`);
    return {};
  };

  const product = async () => {
    logins += 1;
    const handle = await client.workflow.start('patchNode', {
      taskQueue: TASK_QUEUE,
      workflowId: nodeWorkflowId('bench', 'bench'),
      args: [
        {
          cluster: 'bench',
          run: logins,
          trigger: 'on-demand',
          startedAt: new Date().toISOString(),
          node: {
            name: 'bench',
            host: node.host,
            role: 'worker',
            ssh: { user: values.user, port: node.port, identity: lab.keyName, helper: 'auto', transport: 'builtin' },
            // Another list of keys is another connection.
            hostKeys: Array(logins).fill(node.hostKey),
          },
          policy: {
            rebootIfRequired: false,
            withoutDrain: true,
            prefetch: true,
            onFailure: 'stop',
            unreachableTimeoutMs: 60_000,
            packages: DEFAULT_PACKAGE_POLICY,
          },
        },
      ],
    });
    const result = await handle.result();
    const expected = updates === 0 ? 'up-to-date' : 'patched';
    if (result.outcome !== expected) throw new Error(`the node patch has ended ${JSON.stringify(result, null, 2)}`);
    const { startTime, closeTime } = await handle.describe();
    const steps = {};
    const { events } = await handle.fetchHistory();
    const scheduled = new Map();
    for (const event of events) {
      const at = Number(event.eventTime.seconds) + event.eventTime.nanos / 1e9;
      const begun = event.activityTaskScheduledEventAttributes;
      if (begun) scheduled.set(String(event.eventId), { name: begun.activityType.name, at });
      const ended = event.activityTaskCompletedEventAttributes;
      if (!ended) continue;
      const { name, at: from } = scheduled.get(String(ended.scheduledEventId));
      steps[name] = (steps[name] ?? 0) + at - from;
    }
    return { workflow: (closeTime.getTime() - startTime.getTime()) / 1000, steps };
  };

  const ways = { bare: byHand(BARE), careful: byHand(CAREFUL), product };
  const kinds = Object.keys(ways);
  const rows = Object.fromEntries(kinds.map((kind) => [kind, []]));
  let version = 0;
  try {
    // The first of each brings the helper, starts what sleeps and fills caches.
    for (let round = 0; round <= rounds; round += 1) {
      // Each is the first, the second and the last as often.
      const turn = round % kinds.length;
      for (const kind of [...kinds.slice(turn), ...kinds.slice(0, turn)]) {
        version += 1;
        if (updates > 0) await offer(node, `1.${version}`);
        const row = await measured(node, ways[kind]);
        if (round === 0) continue;
        rows[kind].push(row);
        console.error(
          `round ${round} ${kind}: ${(row.workflow ?? row.wall).toFixed(2)} s, ${row.cpu?.toFixed(2) ?? '?'} s of processor`,
        );
      }
    }
  } finally {
    await connection.close();
    await worker.stop();
    await Promise.all([server.stop(), lab.stop()]);
  }

  const stepNames = [...new Set(rows.product.flatMap(({ steps }) => Object.keys(steps)))];
  const timeOf = ({ workflow, wall }) => workflow ?? wall;
  const medians = Object.fromEntries(
    kinds.map((kind) => [
      kind,
      { time: median(rows[kind].map(timeOf)), cpu: median(rows[kind].map(({ cpu }) => cpu)) },
    ]),
  );
  const steps = Object.fromEntries(
    stepNames.map((name) => [name, median(rows.product.map((row) => row.steps[name] ?? 0))]),
  );
  // Of the two of one round, which met the same load.
  const ratioTo = (kind) => ({
    time: median(rows.product.map((row, round) => timeOf(row) / timeOf(rows[kind][round]))),
    cpu: median(rows.product.map((row, round) => (row.cpu === null ? null : row.cpu / rows[kind][round].cpu))),
  });
  const ratios = { bare: ratioTo('bare'), careful: ratioTo('careful') };
  const report = { ...values, rounds, updates, medians, steps, ratios, rows };
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(report, null, 2)}\n`);
  const number = (value) => (value === null ? '-' : value.toFixed(2)).padStart(8);
  const line = (title, { time, cpu }) => console.log(`${title.padEnd(60)}${number(time)} ${number(cpu ?? null)}`);
  const what = updates === 0 ? 'no updates' : `${updates} ${values.packages} updates`;
  console.log(`${`${values.suite}, ${what}, ${rounds} rounds`.padEnd(60)}    time  processor of the node`);
  line('  bare ssh and apt, median in seconds', medians.bare);
  line('  a careful script over ssh', medians.careful);
  line('  node patch, workflow start to end', medians.product);
  for (const name of stepNames) line(`    of that ${name}`, { time: steps[name] });
  line('  node patch to bare, median of the ratios (to hold: 1.1)', ratios.bare);
  line('  node patch to the careful script', ratios.careful);
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
