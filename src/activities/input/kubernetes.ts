/** The inputs of the Kubernetes activities. */
import { z } from 'zod';
import type {
  AwaitHealthyInput,
  AwaitWorkloadsInput,
  CordonInput,
  DrainInput,
  DrainPreviewInput,
  KubernetesActivities,
  KubernetesTarget,
  OutOfServiceInput,
  StaleCordonsInput,
  UncordonInput,
} from '../../contract/activities/kubernetes';
import type {
  CordonOwner,
  DrainPolicy,
  DrainRule,
  EvictedWorkload,
  KubernetesAccess,
  KubernetesBaseline,
  MachineIdentity,
} from '../../domain/kubernetes/types';
import type { KubernetesOwnerPolicy } from '../../domain/node/reboot-owners';
import * as spec from '../../domain/spec/fields';
import { MAX_RULES, drainFields, drainRule } from '../../domain/spec/kubernetes-section';
import { MAX_NODES } from '../../domain/spec/types';
import * as field from './fields';
import { ignoredOwners } from './node';
import { list, object } from './object';
import type { InputSchemas } from './types';

/** A drain reports at most 50, and a node patch may have several drains. */
const MAX_WORKLOADS = 1_000;
const MAX_CONDITIONS = 1_000;
const MAX_NAME_CHARS = 600;

const access = object<KubernetesAccess>({ kubeconfig: spec.kubeconfig, context: spec.kubeContext.optional() });

const target = object<KubernetesTarget>({
  cluster: spec.clusterName,
  node: spec.nodeName,
  nodeName: spec.nodeName,
  access,
});

const machine = object<MachineIdentity>({ machineId: field.code, bootId: field.codeOrEmpty });

const owner = object<CordonOwner>({
  cluster: spec.clusterName,
  node: spec.nodeName,
  run: field.runNumber,
  token: field.token,
});

const { podSelector, namespace, action, order } = drainRule.shape;
const policy = object<DrainPolicy>({
  ...drainFields,
  rules: list(object<DrainRule>({ podSelector, namespace, action, order }), MAX_RULES),
});

const owners = object<KubernetesOwnerPolicy>({
  trustedNamespaces: list(spec.namespace, MAX_CONDITIONS).optional(),
  ignored: ignoredOwners.optional(),
});

const workload = object<EvictedWorkload>({
  namespace: spec.namespace,
  kind: field.code,
  name: field.code,
  availableBefore: field.count.optional(),
});
const workloads = list(workload, MAX_WORKLOADS);

const conditions = list(field.singleLine(MAX_NAME_CHARS), MAX_CONDITIONS);
const baseline = object<KubernetesBaseline>({
  ready: spec.flag(),
  pressure: conditions,
  daemonsetsNotReady: conditions,
});

const unreachableTimeoutMs = field.timeoutMs;
const timeoutMs = field.timeoutMs;
const planned = object<NonNullable<DrainInput['planned']>>({ evict: field.count, workloads });

export const KUBERNETES_INPUTS: InputSchemas<KubernetesActivities> = {
  drainPreview: object<DrainPreviewInput>({
    ...{ target, machine: machine.nullable(), policy, unreachableTimeoutMs },
    owners: owners.optional(),
  }),
  cordon: object<CordonInput>({ target, machine, owner, unreachableTimeoutMs }),
  drain: object<DrainInput>({
    ...{ target, machine, owner, policy, unreachableTimeoutMs },
    startedAt: field.instant,
    planned: planned.optional(),
    again: field.flagSet.optional(),
  }),
  awaitHealthy: object<AwaitHealthyInput>({ target, machine, baseline, timeoutMs }),
  uncordon: object<UncordonInput>({ target, owner: z.union([z.literal('any'), owner], { error: 'any, or an owner' }) }),
  awaitWorkloads: object<AwaitWorkloadsInput>({ target, workloads, timeoutMs }),
  outOfService: object<OutOfServiceInput>({
    ...{ cluster: spec.clusterName, access },
    nodeNames: list(spec.nodeName, MAX_NODES),
  }),
  findStaleCordons: object<StaleCordonsInput>({ cluster: spec.clusterName, access }),
};
