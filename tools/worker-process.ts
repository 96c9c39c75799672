/** A worker in a process of its own, as in production, so that tests can kill it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { hostname } from 'node:os';
import path from 'node:path';

import { Connection } from '@temporalio/client';
import { CALL_RETRIES } from '../src/call-retries';
import { TASK_QUEUE } from '../src/contract/workflow-ids';
import { environmentFor, sleep } from '../src/dev/host';
import { endWithThisProcess } from '../src/dev/reaper';
import { defined } from '../src/domain/shared/defined';

const PROGRAM = path.join(__dirname, '../lib/worker.js');

const READY_TIMEOUT_MS = 60_000;
const READY_POLL_MS = 50;
const ANSWER_TIMEOUT_MS = 5_000;
const STOP_TIMEOUT_MS = 60_000;

/** Kind of pollers, in Temporal's numbers. */
const WORKFLOWS = 1;

export interface WorkerProcessOptions {
  /** Address of the Temporal server. */
  address: string;
  /** Directory with the SSH keys. */
  keyDir: string;
  /** Default: the worker's own. */
  taskQueue?: string;
  env?: Record<string, string>;
}

export interface WorkerProcess {
  pid: number;
  /** Kills the worker, like a crash. */
  kill9(): Promise<void>;
  /** Stops the worker gracefully. */
  stop(): Promise<void>;
  /** All its output. */
  logs(): string;
}

/** Starts the built worker and waits until it polls. The worker ends with this process at the latest. */
export async function startWorkerProcess(options: WorkerProcessOptions): Promise<WorkerProcess> {
  // Ctrl-C is handled by the owner of the worker, which stops it gracefully.
  const worker = spawn(process.execPath, [PROGRAM], {
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...environmentFor(options.address),
      OSPATCH_KEY_DIR: options.keyDir,
      ...defined({ OSPATCH_TASK_QUEUE: options.taskQueue }),
      ...options.env,
    },
  });
  const ended = once(worker, 'exit');
  const pid = worker.pid ?? 0;
  const callOff = endWithThisProcess(pid, PROGRAM);
  let output = '';
  for (const stream of [worker.stdout, worker.stderr])
    stream.on('data', (chunk: Buffer) => (output += chunk.toString()));

  const hasEnded = () => worker.exitCode !== null || worker.signalCode !== null;
  const end = async (signal: 'SIGTERM' | 'SIGKILL') => {
    if (!hasEnded()) {
      worker.kill(signal);
      const timer = setTimeout(() => worker.kill('SIGKILL'), STOP_TIMEOUT_MS);
      await ended;
      clearTimeout(timer);
    }
    callOff();
  };
  const connection = Connection.lazy({ address: options.address, interceptors: [...CALL_RETRIES] });
  try {
    const deadline = Date.now() + READY_TIMEOUT_MS;
    while (!(await polls(connection, options.taskQueue ?? TASK_QUEUE, pid))) {
      if (hasEnded() || Date.now() > deadline) {
        await end('SIGKILL');
        throw new Error(`the worker did not start:\n${output.slice(-2_000)}`);
      }
      await sleep(READY_POLL_MS);
    }
  } finally {
    await connection.close();
  }
  return { pid, kill9: () => end('SIGKILL'), stop: () => end('SIGTERM'), logs: () => output };
}

/**
 * Whether the server has seen the worker, identified by process id and host. False while the server does not answer.
 */
async function polls(connection: Connection, taskQueue: string, pid: number): Promise<boolean> {
  const request = { namespace: 'default', taskQueue: { name: taskQueue }, taskQueueType: WORKFLOWS };
  const { pollers } = await connection
    .withDeadline(Date.now() + ANSWER_TIMEOUT_MS, () => connection.workflowService.describeTaskQueue(request))
    .catch(() => ({ pollers: [] }));
  return (pollers ?? []).some(({ identity }) => identity === `${pid}@${hostname()}`);
}
