/** Workflow code must replay every history that a release has ever written, complete or partial. */
import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { historyFromJSON } from '@temporalio/common/lib/proto-utils';
import type { ReplayWorkerOptions } from '@temporalio/worker';
import { DefaultLogger, Runtime, Worker } from '@temporalio/worker';
import { workflowBundle } from '../support/workflow-bundle';

const HISTORIES = path.join(__dirname, 'histories');

interface RecordedHistory {
  events: {
    eventType: string;
    workflowExecutionStartedEventAttributes?: { workflowId?: string };
    activityTaskScheduledEventAttributes?: { activityType: { name: string } };
  }[];
}

let options: ReplayWorkerOptions;

beforeAll(async () => {
  Runtime.install({
    logger: new DefaultLogger('ERROR'),
    telemetryOptions: { logging: { filter: { core: 'ERROR' }, forward: {} } },
  });
  options = { workflowBundle: await workflowBundle() };
});

const files = (readdirSync(HISTORIES, { recursive: true }) as string[]).filter((file) => file.endsWith('.json')).sort();

function read(file: string): RecordedHistory {
  return JSON.parse(readFileSync(path.join(HISTORIES, file), 'utf8')) as RecordedHistory;
}

/** The cluster workflow checks its own id, which must be the recorded one. */
function workflowIdOf(history: RecordedHistory): string {
  return history.events[0]?.workflowExecutionStartedEventAttributes?.workflowId ?? 'unknown';
}

async function replay(history: RecordedHistory, workflowId: string): Promise<void> {
  await Worker.runReplayHistory(options, historyFromJSON(history), workflowId);
}

describe('replay', () => {
  it('has histories of every kind of workflow', () => {
    for (const type of ['cluster', 'run', 'patchNode', 'updateNodegroup']) {
      expect(files.filter((file) => file.includes(`-${type}`)).length).toBeGreaterThan(3);
    }
  });

  it.each(files)('replays %s', async (file) => {
    const history = read(file);
    await replay(history, workflowIdOf(history));
  });

  it.each([
    ['boot-with-reboot', '-patchNode-'],
    ['eks-adopted-update', '-updateNodegroup-node-green'],
    ['eks-all-groups', '-cluster'],
  ])('replays %s up to every workflow task at which a worker may have died (%s)', async (scenario, workflow) => {
    const file = files.find((one) => one.includes(scenario) && one.includes(workflow)) ?? '';
    const history = read(file);
    const ends = history.events.flatMap((event, at) =>
      event.eventType.endsWith('WORKFLOW_TASK_COMPLETED') ? [at + 1] : [],
    );
    for (const end of ends) await replay({ events: history.events.slice(0, end) }, workflowIdOf(history));
  });

  it('detects code whose commands differ from the recorded ones', async () => {
    const file = files.find((one) => one.includes('boot-with-reboot') && one.includes('-patchNode-')) ?? '';
    const history = read(file);
    for (const event of history.events) {
      const attributes = event.activityTaskScheduledEventAttributes;
      if (attributes?.activityType.name === 'apply') attributes.activityType.name = 'repair';
    }
    await expect(replay(history, workflowIdOf(history))).rejects.toThrow(/[Nn]ondeterminism/);
  });
});
