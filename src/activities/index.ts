/** Creates all activities with the resources of one worker. */
import { createConnections } from '../kubernetes/client/connections';
import { createTransportPool } from '../ssh/pool';
import type { TransportPool } from '../ssh/transport';
import { admissionRules } from './admission-rules';
import { createAlertActivities } from './alerts';
import { createClusterActivities } from './cluster';
import { createKubernetesActivities } from './kubernetes';
import { EksApis } from '../aws/eks-caller';
import { createEksActivities } from './eks';
import type { ActivityLog } from './node';
import { createNotificationActivities } from './notifications';
import { createNodeActivities } from './node';
import { summarisePlan } from '../domain/node/report';
import { PolicyFile } from '../policy/policy-file';
import { authoriseBy } from './authorise';
import { createPolicyActivities } from './policy';
import { guardActivities } from './guard';
import type { AllActivities } from './input/types';
import { defined } from '../domain/shared/defined';
import { WorkflowEnds } from './workflow-ends';

export interface ActivityDeps {
  /** Directory of the private keys named in `ssh.identity`. */
  keyDir: string;
  /** Directory of the programs named in `patching.powerCycleHook`; default none. */
  hookDir?: string | null;
  /** Directory of the calendar files named in `patching.blackouts`; default none. */
  calendarDir?: string | null;
  /** The worker's own targets of notifications; default none. */
  notificationsFile?: string | null;
  /** Directory of notification programs; default none. */
  notifyDir?: string | null;
  /** Directory of the kubeconfigs named in `kubernetes.kubeconfig`. */
  kubeconfigDir: string;
  /** UID of the pod in which this worker runs; default null: it is no pod. */
  podUid?: string | null;
  /** Directory of the secrets that specs name; default none. */
  secretDir?: string | null;
  /** Program and arguments that print a passphrase; the name of the identity is appended as an argument. */
  passphraseCommand?: readonly string[];
  sshInclude?: string | null;
  /** Clusters take only messages that were encrypted for them; default false. */
  encryptionRequired?: boolean;
  log: ActivityLog;
  /** What this worker may be asked for; default: everything. */
  policy?: PolicyFile;
  /** For tests; default: a new pool. */
  pool?: TransportPool;
  /** Default: Date.now. */
  now?: () => number;
}

export interface Activities {
  activities: AllActivities;
  /** Closes the connections to all nodes, API servers and AWS. Jobs on nodes and updates at AWS continue. */
  close(): Promise<void>;
}

export function createActivities({
  keyDir,
  hookDir = null,
  calendarDir = null,
  notificationsFile = null,
  notifyDir = null,
  kubeconfigDir,
  podUid = null,
  secretDir = null,
  passphraseCommand,
  sshInclude,
  encryptionRequired = false,
  log,
  policy = new PolicyFile(null),
  pool = createTransportPool({ keyDir, ...defined({ passphraseCommand, cryptoPolicy: sshInclude }) }),
  now,
}: ActivityDeps): Activities {
  const nodeActivities = createNodeActivities({ pool, log, hookDir, ...defined({ now }) });
  const connections = createConnections({ kubeconfigDir });
  const kubernetesActivities = createKubernetesActivities({ connections, log, podUid, ...defined({ now }) });
  const apis = new EksApis();
  const ends = new WorkflowEnds();
  const activities: AllActivities = {
    ...nodeActivities,
    // The server stores every result, and the apply report names the packages again.
    preflight: async (input) => {
      const { plan, ...report } = await nodeActivities.preflight(input);
      return { ...report, plan: summarisePlan(plan) };
    },
    ...createClusterActivities(log, ends, calendarDir, admissionRules(policy, encryptionRequired)),
    ...kubernetesActivities,
    ...createEksActivities({ log, apis }),
    ...createPolicyActivities(policy, notificationsFile),
    ...createAlertActivities({ secretDir, log, ...defined({ now }) }),
    ...createNotificationActivities({
      notificationsFile,
      secretDir,
      notifyDir,
      policy,
      log,
    }),
  };
  return {
    activities: guardActivities(activities, { authorise: authoriseBy(policy), log }),
    close: async () => {
      await ends.close();
      pool.close();
      apis.close();
      await connections.close();
    },
  };
}
