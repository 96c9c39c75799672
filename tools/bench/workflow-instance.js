#!/usr/bin/env node
// What one cached cluster workflow costs the one workflow thread of a worker: processor time to begin it, and heap for as
// long as it is cached; beside a workflow of the SDK that only sleeps. Usage: node --expose-gc tools/bench/workflow-instance.js [--count 300] [--nodes 3] [--bundle FILE] [--json FILE]
const { readFileSync, writeFileSync } = require('node:fs');
const path = require('node:path');
const { parseArgs } = require('node:util');
const { defaultPayloadConverter } = require('@temporalio/common');
const { coresdk } = require('@temporalio/proto');
const { bundleWorkflowCode } = require('@temporalio/worker');
const { parseWorkflowCode } = require('@temporalio/worker/lib/worker');
const { ReusableVMWorkflowCreator } = require('@temporalio/worker/lib/workflow/reusable-vm');
const { packState } = require('../../lib/domain/cluster/packed-state');
const { newClusterState } = require('../../lib/domain/cluster/state');
const { validateSpecObject } = require('../../lib/domain/spec/parse');

/** What a workflow may cost at most. */
const MAX_CPU_MS = 2;
const MAX_HEAP_KIB = 256;

const { values } = parseArgs({
  options: {
    count: { type: 'string', default: '300' },
    nodes: { type: 'string', default: '3' },
    bundle: { type: 'string', default: path.join(__dirname, '../../lib/workflow-bundle.js') },
    json: { type: 'string' },
  },
});
const count = Number(values.count);
const WARM_UP = 20;

function stateOf(name) {
  const nodes = Array.from({ length: Number(values.nodes) }, (_, index) => ({
    name: `w-${index}`,
    host: `w-${index}.example`,
    hostKeys: ['ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDvls8SS4rvP2QdSSVl5t9lsRoJShV8y9UXzljMSEYea'],
  }));
  const checked = validateSpecObject({
    apiVersion: 'ospatch/v1',
    name,
    type: 'self-managed',
    ssh: { user: 'root' },
    patching: {},
    nodes,
  });
  if (!checked.ok) throw new Error(checked.problems.join('; '));
  return newClusterState(checked.spec, null, new Date().toISOString());
}

function activationOf(runId, job) {
  return coresdk.workflow_activation.WorkflowActivation.fromObject({
    runId,
    timestamp: { seconds: Math.floor(Date.now() / 1000), nanos: 0 },
    isReplaying: false,
    historyLength: 3,
    availableInternalFlags: [1, 2, 3, 4],
    jobs: [job],
  });
}

async function begin(creator, index) {
  const name = `bench-${index}`;
  const runId = `00000000-0000-4000-8000-${String(index).padStart(12, '0')}`;
  const argument = defaultPayloadConverter.toPayload({ state: packState(stateOf(name)) });
  const cpu = process.cpuUsage();
  const workflow = await creator.createWorkflow({
    info: {
      workflowId: `cluster/${name}`,
      runId,
      workflowType: 'cluster',
      namespace: 'default',
      taskQueue: 'ospatch',
      firstExecutionRunId: runId,
      attempt: 1,
      taskTimeoutMs: 10_000,
      startTime: new Date(),
      runStartTime: new Date(),
      historyLength: 3,
      historySize: 300,
      continueAsNewSuggested: false,
      searchAttributes: {},
      typedSearchAttributes: {},
      unsafe: { isReplaying: false, now: () => Date.now() },
    },
    randomnessSeed: [1, 2, 3, 4, 5, 6, 7, 8],
    now: Date.now(),
    showStackTraceSources: false,
  });
  const completion = await workflow.activate(
    activationOf(runId, {
      initializeWorkflow: { workflowId: `cluster/${name}`, workflowType: 'cluster', arguments: [argument] },
    }),
  );
  const { user, system } = process.cpuUsage(cpu);
  if (completion.successful === undefined || completion.successful === null)
    throw new Error(JSON.stringify(completion));
  return { workflow, cpuMs: (user + system) / 1000 };
}

async function creatorOf(code, filename) {
  const known = new Set(['searchAttributes', 'nextWindows', 'recordAudit', 'checkSpec', 'checkFirstSpec']);
  return ReusableVMWorkflowCreator.create(parseWorkflowCode(code, filename), 60_000, known);
}

/** The code of a workflow that only sleeps. */
async function bareCode() {
  const levels = ['trace', 'debug', 'info', 'log', 'warn', 'error'];
  const logger = Object.fromEntries(levels.map((level) => [level, () => {}]));
  return (await bundleWorkflowCode({ workflowsPath: require.resolve('./bare-workflow'), logger })).code;
}

/** What each of `count` further workflows costs. */
async function measure(creator, first) {
  const kept = [];
  global.gc();
  const before = process.memoryUsage().heapUsed;
  let cpuMs = 0;
  for (let index = first; index < first + count; index += 1) {
    const begun = await begin(creator, index);
    kept.push(begun.workflow);
    cpuMs += begun.cpuMs;
  }
  global.gc();
  const heapKiB = (process.memoryUsage().heapUsed - before) / 1024 / kept.length;
  return { cpuMs: cpuMs / kept.length, heapKiB };
}

async function main() {
  if (global.gc === undefined) throw new Error('run it with node --expose-gc');
  const code = readFileSync(values.bundle, 'utf8');
  const creator = await creatorOf(code, values.bundle);
  const bareCreator = await creatorOf(await bareCode(), 'bare.js');
  for (const one of [creator, bareCreator]) {
    for (let index = 0; index < WARM_UP; index += 1) await begin(one, index);
  }
  // A run id is of one workflow.
  const bare = await measure(bareCreator, WARM_UP);
  const { cpuMs: meanMs, heapKiB } = await measure(creator, WARM_UP + count);
  const report = {
    count,
    nodes: Number(values.nodes),
    bundleKiB: Math.round(code.length / 1024),
    cpuMs: meanMs,
    heapKiB,
    bare,
  };
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(report, null, 2)}\n`);
  const line = (what, value) => console.log(`${what.padEnd(60)}${value}`);
  line('bundle', `${report.bundleKiB} KiB`);
  line(`processor time per workflow (to hold: ${MAX_CPU_MS} ms)`, `${meanMs.toFixed(2)} ms`);
  line('  of a workflow that only sleeps', `${bare.cpuMs.toFixed(2)} ms`);
  line(`heap per cached workflow (to hold: ${MAX_HEAP_KIB} KiB)`, `${heapKiB.toFixed(0)} KiB`);
  line('  of a workflow that only sleeps', `${bare.heapKiB.toFixed(0)} KiB`);
  process.exit(meanMs <= MAX_CPU_MS && heapKiB <= MAX_HEAP_KIB ? 0 : 1);
}

main().catch((error) => {
  console.error(error);
  process.exit(2);
});
