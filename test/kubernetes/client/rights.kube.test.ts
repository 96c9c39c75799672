/** The permissions of `deploy/kubernetes-rbac.yaml`, compared with the requests seen by the API server. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parse, parseAllDocuments } from 'yaml';
import type { KubeApiError } from '../../../tools/kube/kube-api';
import { KubeApi } from '../../../tools/kube/kube-api';
import { waitFor } from '../../support/wait-for';
import { addBudget, addDaemonSet, addDeployment, addNode, addStatefulSet } from '../../support/kube-objects';
import '../../support/kube-suite';
import type { Stage } from '../scenario';
import { startStage } from '../scenario';

const MANIFEST = path.join(__dirname, '../../../deploy/kubernetes-rbac.yaml');
const ACCOUNT = 'system:serviceaccount:ospatch:ospatch';
const POLICY = `apiVersion: audit.k8s.io/v1
kind: Policy
rules:
  - level: Metadata
    users: ["${ACCOUNT}"]
    omitStages: [RequestReceived]
  - level: None
`;

interface Rule {
  apiGroups?: string[];
  resources?: string[];
  nonResourceURLs?: string[];
  verbs: string[];
}
interface AuditEvent {
  verb: string;
  requestURI: string;
  /** Absent for a path that is no resource, such as `/readyz`. */
  objectRef?: { apiGroup?: string; resource: string; subresource?: string };
  responseStatus: { code: number };
}

let dir: string;
let stage: Stage;

beforeAll(async () => {
  dir = mkdtempSync(path.join(tmpdir(), 'ospatch-audit-'));
  writeFileSync(path.join(dir, 'policy.yaml'), POLICY);
  const flags = ['--audit-policy-file', path.join(dir, 'policy.yaml'), '--audit-log-path', path.join(dir, 'audit.log')];
  stage = await startStage({ apiServerFlags: [...flags, '--audit-log-mode', 'blocking'] });
});

afterAll(async () => {
  await stage?.stop();
  rmSync(dir, { recursive: true, force: true });
});

/** `list apps/daemonsets` or `get /readyz`, each once. */
function granted(): string[] {
  const role = parseAllDocuments(readFileSync(MANIFEST, 'utf8'))
    .map((document) => document.toJS() as { kind: string; rules?: Rule[] })
    .find(({ kind }) => kind === 'ClusterRole');
  const rights = (role?.rules ?? []).flatMap(({ apiGroups = [], resources = [], nonResourceURLs = [], verbs }) => {
    const things = apiGroups.flatMap((group) => resources.map((resource) => `${group}/${resource}`));
    return [...things, ...nonResourceURLs].flatMap((thing) => verbs.map((verb) => `${verb} ${thing}`));
  });
  return [...new Set(rights)].sort();
}

function requestedRights(): { rights: string[]; forbidden: string[] } {
  const events = readFileSync(path.join(dir, 'audit.log'), 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as AuditEvent);
  const title = ({ verb, requestURI, objectRef }: AuditEvent): string => {
    if (objectRef === undefined) return `${verb} ${requestURI.replace(/\?.*/, '')}`;
    const { apiGroup = '', resource, subresource } = objectRef;
    return `${verb} ${apiGroup}/${resource}${subresource === undefined ? '' : `/${subresource}`}`;
  };
  return {
    rights: [...new Set(events.map(title))].sort(),
    forbidden: events.filter(({ responseStatus }) => responseStatus.code === 403).map(title),
  };
}

describe('deploy/kubernetes-rbac.yaml', () => {
  it('grants exactly the permissions that a node patch uses', async () => {
    const scenario = await stage.scenario('all');
    const { target, machine, activities } = scenario;
    await addDaemonSet(stage.plane, 'agent', scenario.here({}));
    // Its service account is asked about.
    await addDaemonSet(stage.plane, 'kured', scenario.here({}));
    await addDeployment(stage.plane, 'web', scenario.here({ replicas: 2 }));
    await addStatefulSet(stage.plane, 'db', scenario.here({}));
    await addBudget(stage.plane, 'web', 'web', { minAvailable: 1 }, 'all');
    await scenario.addSpareNode();
    // A control-plane node causes further requests.
    const roles = { 'node-role.kubernetes.io/control-plane': '' };
    await addNode(stage.plane, 'other-control-plane', { labels: roles });
    await stage.plane.api.patch({ kind: 'Node', name: target.nodeName }, { metadata: { labels: roles } });
    await scenario.preview();
    const baseline = await scenario.cordon();
    const { workloads } = await scenario.drain();
    await scenario.run(activities.awaitHealthy, { target, machine, baseline, timeoutMs: 30_000 });
    await scenario.uncordon();
    // A deleted controller is requested all the same.
    const gone = ['ReplicaSet', 'ReplicationController'].map((kind) => ({ namespace: 'all', kind, name: 'gone' }));
    await scenario.run(activities.awaitWorkloads, { target, workloads: [...workloads, ...gone], timeoutMs: 30_000 });
    await scenario.run(activities.findStaleCordons, { cluster: target.cluster, access: target.access });

    const { rights, forbidden } = requestedRights();
    expect(forbidden).toEqual([]);
    expect(rights).toEqual(granted());
  });

  it('lets nobody with its token change more of a node than its cordon', async () => {
    const { target } = await stage.scenario('policy');
    const node = { kind: 'Node', name: target.nodeName };
    const taint = { key: 'lab', value: 'x', effect: 'NoSchedule' };
    await stage.plane.api.patch(node, {
      metadata: { labels: { lab: 'x' }, annotations: { lab: 'x' } },
      spec: { taints: [taint] },
    });
    const { users } = parse(readFileSync(stage.plane.kubeconfigs.ospatch, 'utf8')) as {
      users: { user: { token: string } }[];
    };
    const account = new KubeApi({ ...stage.plane.api.options, token: users[0]?.user.token ?? '' });
    const tried = async (change: object): Promise<string> =>
      account.patch(node, change).then(
        () => 'allowed',
        (error: unknown) => (/denied request: ([^"]*)/.exec((error as KubeApiError).body)?.[1] ?? String(error)).trim(),
      );
    try {
      await waitFor(async () => (await tried({ metadata: { labels: { other: 'x' } } })) !== 'allowed', {
        what: 'the policy',
      });
      const labels = 'ospatch changes no labels, finalizers or owners of a node';
      const annotations = 'of the annotations of a node, ospatch changes ospatch/cordoned-by and ospatch/baseline only';
      const spec = 'of the spec of a node, ospatch changes unschedulable only';
      const own = { 'ospatch/cordoned-by': 'a', 'ospatch/baseline': 'b' };
      const role = 'node-role.kubernetes.io/control-plane';
      const answers: [object, string][] = [
        [{ spec: { unschedulable: true }, metadata: { annotations: own } }, 'allowed'],
        [{ spec: { unschedulable: null }, metadata: { annotations: { 'ospatch/cordoned-by': null } } }, 'allowed'],
        [{ metadata: { labels: { [role]: '' } } }, labels],
        [{ metadata: { labels: { lab: null } } }, labels],
        [{ metadata: { finalizers: ['lab.example/stay'] } }, labels],
        [{ metadata: { annotations: { other: 'x' } } }, annotations],
        [{ metadata: { annotations: { lab: 'changed' } } }, annotations],
        [{ metadata: { annotations: { lab: null } } }, annotations],
        [{ spec: { unschedulable: true }, metadata: { annotations: { ...own, lab: null } } }, annotations],
        [{ spec: { taints: null } }, spec],
        [{ spec: { taints: [{ ...taint, key: 'more', effect: 'NoExecute' }] } }, spec],
        [{ spec: { providerID: 'lab://elsewhere' } }, spec],
      ];
      for (const [change, answer] of answers) expect([change, await tried(change)]).toEqual([change, answer]);
      // The policy is about this account only.
      await stage.plane.api.patch(node, { metadata: { labels: { lab: null } } });
    } finally {
      account.close();
    }
  });
});
