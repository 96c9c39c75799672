/** The machines of `ospatch init`: their host keys, their preparation, and what a run would meet there. */
import path from 'node:path';
import { knownHostsName } from '../../../domain/trust/known-hosts';
import { defined } from '../../../domain/shared/defined';
import { OspatchError } from '../../../domain/shared/errors';
import type { NodeTarget, SelfManagedSpec } from '../../../domain/spec/types';
import type { NodeInspection } from '../../../domain/inspection/node';
import { failedInspection, toInspection } from '../../../domain/inspection/node';
import { helperScript } from '../../../node/helper/script';
import { ContentionTracker } from '../../../node/contention';
import { inspectNode } from '../../../node/inspect';
import { prepareNode } from '../../../node/prepare';
import { ReachabilityTracker } from '../../../node/reachability';
import { RemoteNode } from '../../../node/remote-node';
import { scanThrough } from '../../../ssh/builtin/scan-through';
import { CryptoPolicyFile } from '../../../ssh/crypto-policy';
import type { PoolOptions } from '../../../ssh/pool';
import type { ScannedNode } from '../../render/enroll';
import { onNodes } from '../helper/on-nodes';
import type { NodeResult } from '../helper/on-nodes';
import type { Admin, JumpAnswer } from './answers';

const CONNECT_TIMEOUT_MS = 10_000;
const FACTS_LIMIT_MS = 45_000;
const PLAN_LIMIT_MS = 62_000;

export type KeyOptions = Pick<PoolOptions, 'keyDir' | 'passphraseCommand' | 'cryptoPolicy'>;

/** Where a login finds its key. */
export function keyPlace(identity: string, keyDir: string): { keyDir: string; identity: string } {
  const isFile = identity !== 'agent' && identity.includes('/');
  return isFile ? { keyDir: path.dirname(identity), identity: path.basename(identity) } : { keyDir, identity };
}

/** Reads the host key of a machine behind the jump host, whose own key was confirmed before. */
export async function scanBehind(
  jump: JumpAnswer & { hostKeys: string[]; identity: string },
  machine: { name: string; host: string; port: number },
  options: KeyOptions,
): Promise<ScannedNode['found']> {
  const { cryptoPolicy = null, ...keys } = options;
  const policy = new CryptoPolicyFile(cryptoPolicy);
  const place = keyPlace(jump.identity, keys.keyDir);
  const hop = { ...jump, name: `the jump host ${jump.host}`, identity: place.identity };
  try {
    const found = await scanThrough([hop], machine, {
      ...keys,
      keyDir: place.keyDir,
      connectTimeoutMs: CONNECT_TIMEOUT_MS,
      cryptoPolicy: policy,
    });
    return { state: 'new', ...found };
  } catch (error) {
    if (!(error instanceof OspatchError)) throw error;
    return { state: 'unreachable', why: error.message.replace(machine.host, machine.name) };
  }
}

/** Logs in as the administrator, on each node. */
export function prepareNodes(
  spec: SelfManagedSpec,
  admin: Admin,
  publicKey: string | null,
  options: KeyOptions,
): Promise<NodeResult<string[]>[]> {
  const { keyDir, identity } = keyPlace(admin.identity, options.keyDir);
  const helper = helperScript();
  const targets = targetsOf(spec).map(({ ssh, ...target }): NodeTarget => {
    // The worker's own key is not at the jump host yet.
    const jump = ssh.jump?.map((hop) => ({ ...hop, identity }));
    return { ...target, ssh: { ...ssh, user: admin.user, identity, ...defined({ jump }) } };
  });
  const users = new Map(spec.nodes.map(({ name, ssh }) => [name, ssh.user]));
  return onNodes(targets, { ...options, keyDir }, (target, transport) =>
    prepareNode(target, transport, { user: users.get(target.name) ?? 'root', publicKey, helper }),
  );
}

/** As `doctor` does through a worker, with the worker's own key, from here. */
export async function inspectFromHere(spec: SelfManagedSpec, options: KeyOptions): Promise<NodeInspection[]> {
  const results = await onNodes(targetsOf(spec), options, async (target, transport) => {
    const over = new AbortController();
    try {
      const observed = await inspectNode(
        sessionOf(target, new RemoteNode(target, transport, over.signal), over.signal),
        { factsMs: FACTS_LIMIT_MS, planMs: PLAN_LIMIT_MS },
        { packages: spec.patching.packages, tryStart: true },
      );
      return toInspection(target.name, observed, spec.patching);
    } finally {
      over.abort();
    }
  });
  return results.map(({ node, value, error }) =>
    value === null
      ? failedInspection(node, error ?? { type: 'Internal', message: `${node} was not inspected` })
      : value,
  );
}

function sessionOf(target: NodeTarget, node: RemoteNode, signal: AbortSignal) {
  const now = Date.now;
  const reachability = new ReachabilityTracker({
    node: target.name,
    limitMs: 1,
    giveUpAs: 'Unreachable',
    ...{ signal, now },
    onWaiting: () => undefined,
  });
  const others = new ContentionTracker({ now, onChange: () => undefined });
  return { node, reachability, others, jobs: {}, signal, now, show: () => undefined };
}

function targetsOf({ name: cluster, nodes }: SelfManagedSpec): NodeTarget[] {
  return nodes.map(({ name, host, ssh, hostKeys }) => ({ cluster, name, host, ssh, hostKeys }));
}

/** A line of known_hosts. */
export function knownHostsLine({ host, port }: { host: string; port: number }, key: string): string {
  return `${knownHostsName(host, port)} ${key}`;
}
