/** A Kubernetes cluster behind the activity interfaces: cordons by owner, and results of drains. */
import { Context } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import type { KubernetesActivities, KubernetesTarget } from '../../src/contract/activities/kubernetes';
import type { ErrorInfo } from '../../src/domain/shared/errors';
import type { CordonOwner, DrainPreview, DrainReport, KubernetesPolicy } from '../../src/domain/kubernetes/types';
import { DEFAULT_DRAIN, DEFAULT_KUBERNETES_HEALTH } from '../../src/domain/kubernetes/types';

/** `drainAgain`: the drain before a reboot. */
type KubernetesStep = keyof KubernetesActivities | 'drainAgain';

export function kubernetesPolicy(
  drain: Partial<KubernetesPolicy['drain']> = {},
  health: Partial<KubernetesPolicy['health']> = {},
): KubernetesPolicy {
  return {
    kubeconfig: 'test',
    drain: { ...DEFAULT_DRAIN, ...drain },
    health: { ...DEFAULT_KUBERNETES_HEALTH, ...health },
  };
}

export class SimulatedKubernetes {
  /** By the node's name in Kubernetes. */
  readonly cordons = new Map<string, CordonOwner>();
  /** Not Ready, by the node's name in Kubernetes. */
  readonly down = new Set<string>();
  readonly machines: string[] = [];
  preview: Partial<DrainPreview> = {};
  report: Partial<DrainReport> = {};
  /** Result of the drain before a reboot. */
  reportAgain: Partial<DrainReport> = {};
  readonly errors = new Map<KubernetesStep, ErrorInfo>();
  private readonly held = new Map<KubernetesStep, Promise<void>>();

  constructor(readonly log: string[]) {}

  /** Holds every such call until the returned function is called or the call is cancelled. */
  hold(step: KubernetesStep): () => void {
    let release = (): void => undefined;
    this.held.set(
      step,
      new Promise<void>((resolve) => {
        release = () => {
          this.held.delete(step);
          resolve();
        };
      }),
    );
    return release;
  }

  activities(): KubernetesActivities {
    return {
      drainPreview: async ({ target, machine }) => {
        this.machines.push(`${machine?.machineId ?? 'nobody'}/${machine?.bootId ?? ''}`);
        await this.begin('drainPreview', target);
        const owner = this.cordons.get(target.nodeName) ?? null;
        const base: DrainPreview = {
          nodeName: target.nodeName,
          cordonedBy: owner === null ? 'nobody' : 'ospatch',
          owner,
          evict: 2,
          pods: [],
          ignored: {},
          blockers: [],
          pending: [],
        };
        return { ...base, ...this.preview };
      },
      cordon: async ({ target, owner }) => {
        await this.begin('cordon', target);
        this.cordons.set(target.nodeName, owner);
        return { ready: true, pressure: [], daemonsetsNotReady: [] };
      },
      drain: async ({ target, again }) => {
        await this.begin(again === true ? 'drainAgain' : 'drain', target);
        const report = again === true ? { evicted: 0, ...this.reportAgain } : { evicted: 2, ...this.report };
        return { state: 'drained', workloads: [], blocked: [], ...report };
      },
      awaitHealthy: async ({ target, machine }) => {
        this.machines.push(`${machine.machineId}/${machine.bootId}`);
        await this.begin('awaitHealthy', target);
      },
      uncordon: async ({ target }) => {
        await this.begin('uncordon', target);
        return this.cordons.delete(target.nodeName);
      },
      awaitWorkloads: ({ target }) => this.begin('awaitWorkloads', target),
      outOfService: async ({ nodeNames }) => {
        await this.begin('outOfService', { nodeName: '' });
        return nodeNames.filter((name) => this.cordons.has(name) || this.down.has(name));
      },
      findStaleCordons: async () => {
        await this.begin('findStaleCordons', { nodeName: '' });
        return [...this.cordons].map(([nodeName, owner]) => ({ nodeName, owner }));
      },
    };
  }

  private async begin(step: KubernetesStep, { nodeName }: Pick<KubernetesTarget, 'nodeName'>): Promise<void> {
    this.log.push(`${step} ${nodeName}`.trim());
    const held = this.held.get(step);
    if (held !== undefined) {
      const context = Context.current();
      const beats = setInterval(() => context.heartbeat({ step: 'drain' }), 100);
      try {
        await Promise.race([held, context.cancelled]);
      } finally {
        clearInterval(beats);
      }
    }
    const error = this.errors.get(step);
    if (error === undefined) return;
    const { type, message } = error;
    throw ApplicationFailure.create({ message, type, nonRetryable: true, details: [error] });
  }
}
