/** The Helm chart, rendered by Helm and applied to a real API server, whose pod security admission is `restricted`. */
import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { parseAllDocuments } from 'yaml';

import type { ControlPlane } from '../../tools/kube/control-plane';
import { startControlPlane } from '../../tools/kube/control-plane';
import { KubeApiError } from '../../tools/kube/kube-api';
import type { Rendered } from '../support/helm';
import { CHART, KUBE_VERSION, NAMESPACE, RELEASE, helm, podOf, render } from '../support/helm';
import { addNode } from '../support/kube-objects';
import { waitFor } from '../support/wait-for';
import '../support/slow-suite';

const DEPLOY = path.join(__dirname, '../../deploy');
const VALUES = readdirSync(path.join(CHART, 'ci')).map((name) => path.join(CHART, 'ci', name));
const IMAGE = ['--set', 'image.repository=registry.example/ospatch'];
const ADDRESS = [...IMAGE, '--set', 'temporal.address=temporal:7233'];

const PLURALS: Record<string, string> = {
  NetworkPolicy: 'networkpolicies',
  ValidatingAdmissionPolicy: 'validatingadmissionpolicies',
};
const CLUSTER_WIDE = /^(?:ClusterRole|ValidatingAdmission)/;

function pathOf({ apiVersion, kind, metadata }: Rendered): string {
  const group = apiVersion.includes('/') ? `apis/${apiVersion}` : `api/${apiVersion}`;
  const where = CLUSTER_WIDE.test(kind) ? '' : `/namespaces/${NAMESPACE}`;
  return `/${group}${where}/${PLURALS[kind] ?? `${kind.toLowerCase()}s`}/${metadata.name}`;
}

/** As `helm install` and `kubectl apply --server-side` do it; a field that the server does not know is an error. */
function apply(plane: ControlPlane, object: Rendered): Promise<unknown> {
  const query = 'fieldManager=helm&force=true&fieldValidation=Strict';
  return plane.api.call('PATCH', `${pathOf(object)}?${query}`, object, 'application/apply-patch+yaml');
}

describe('deploy/helm/ospatch', () => {
  it.each(VALUES)('has no lint with %s', async (file) => {
    expect(await helm('lint', '--strict', '--kube-version', KUBE_VERSION, CHART, '-f', file)).toMatchObject({
      code: 0,
    });
  });

  it.each<[string, string[], RegExp]>([
    ['no place of the image', ['--set', 'temporal.address=temporal:7233'], /image\.repository is required/],
    ['no address of Temporal', IMAGE, /temporal\.address is required/],
    ['a key nobody knows', [...ADDRESS, '--set', 'temporal.adress=x'], /adress/],
    ['a worker without a task queue', [...ADDRESS, '--set', 'workers.b.replicas=1'], /taskQueue/],
    ['a task queue that ospatch refuses', [...ADDRESS, '--set', 'workers.default.taskQueue=a/b'], /taskQueue/],
    ['a digest that is none', [...ADDRESS, '--set', 'image.digest=latest'], /digest/],
    ['an address that is a URL', ['--set', 'temporal.address=https://temporal:7233'], /temporal\/address/],
    [
      'a number of replicas that is none',
      [...ADDRESS, '--set', 'workers.default.replicas=two'],
      /:\n- at '\/workers\/default\/replicas': got string, want integer/,
    ],
    [
      'two policies, of which one would not count',
      [...ADDRESS, '--set', 'policy.existingConfigMap=a', '--set', 'policy.existingSecret=b'],
      /policy\.existingConfigMap and policy\.existingSecret are set/,
    ],
    [
      'two lists of targets',
      [...ADDRESS, '--set', 'notifications.existingConfigMap=a', '--set', 'notifications.inline=b'],
      /notifications\.existingConfigMap and notifications\.inline/,
    ],
    ['certificates without TLS', [...ADDRESS, '--set', 'temporal.tls.existingSecret=a'], /would have no TLS/],
    [
      'encryption without keys',
      [...ADDRESS, '--set', 'encryption.required=true'],
      /encryption\.existingSecret is empty/,
    ],
    [
      'a monitor of metrics that are not served',
      [...ADDRESS, '--set', 'metrics.enabled=false', '--set', 'metrics.podMonitor.enabled=true'],
      /metrics\.enabled is false/,
    ],
    [
      'rules without the exporter that they need',
      [...ADDRESS, '--set', 'exporter.enabled=false', '--set', 'exporter.prometheusRule.enabled=true'],
      /exporter\.enabled is false/,
    ],
    [
      'a Secret of which nothing would be used',
      [
        ...[...ADDRESS, '--set', 'temporal.tls.enabled=true', '--set', 'temporal.tls.existingSecret=a'],
        ...['--set', 'temporal.tls.authority=false', '--set', 'temporal.tls.clientCertificate=false'],
      ],
      /nothing of the Secret would be used/,
    ],
    [
      'a right for nobody',
      [...ADDRESS, '--set', 'inCluster.disableEviction=true'],
      /nobody would be given the right to delete pods/,
    ],
    [
      'rights for the account that every pod has',
      [...ADDRESS, '--set', 'inCluster.enabled=true', '--set', 'serviceAccount.create=false'],
      /every pod of the account `default`/,
    ],
    [
      'annotations of an account that is not made',
      [...ADDRESS, '--set', 'serviceAccount.create=false', '--set', 'serviceAccount.annotations.a=b'],
      /annotate the account that exists/,
    ],
    [
      'limits of a network policy that is not made',
      [...ADDRESS, '--set', 'networkPolicy.enabled=false', '--set', 'networkPolicy.egress[0].ports[0].port=22'],
      /networkPolicy\.enabled is false/,
    ],
    [
      'an admission policy that the API server does not have',
      [...ADDRESS, '--set', 'inCluster.enabled=true', '--kube-version', '1.29.3'],
      /needs Kubernetes 1\.30, and this is v1\.29\.3/,
    ],
    ['no worker at all', [...ADDRESS, '--set', 'workers.default=null'], /\/workers/],
    ['a port that a user without rights cannot take', [...ADDRESS, '--set', 'metrics.port=80'], /port/],
  ])('refuses %s', async (_, args, why) => {
    await expect(render(...args)).rejects.toThrow(why);
  });

  it('has one Deployment for each worker, with what is its own and the defaults', async () => {
    const objects = await render('-f', path.join(CHART, 'ci/sites-values.yaml'));
    const site = podOf(objects, 'ospatch-worker-site-b');
    expect(site.containers[0]?.args).toEqual([
      'worker',
      '--task-queue',
      'site-b',
      '--activities-only',
      '--metrics',
      ':9464',
    ]);
    const volumes = Object.fromEntries(site.volumes.map((one) => [one.name, one]));
    expect(volumes).toMatchObject({
      keys: { secret: { secretName: 'site-b-keys', defaultMode: 0o440 } },
      policy: { configMap: { name: 'site-b-policy', defaultMode: 0o444 } },
      kubeconfigs: { secret: { secretName: 'ospatch-kubeconfigs' } },
      secrets: { secret: { secretName: 'ospatch-secrets' } },
      hooks: { configMap: { defaultMode: 0o555 } },
      notifications: { configMap: { name: 'ospatch-notifications', defaultMode: 0o444 } },
      'notify-programs': { configMap: { defaultMode: 0o555 } },
    });
    expect(site.containers[0]?.env).toEqual(
      expect.arrayContaining([
        { name: 'OSPATCH_NOTIFICATIONS', value: '/etc/ospatch/notifications/notifications.yaml' },
        { name: 'OSPATCH_NOTIFY_DIR', value: '/etc/ospatch/notify.d' },
      ]),
    );
    // A worker alone must be able to come back to the node that it has cordoned.
    expect(site.tolerations).toEqual([
      expect.objectContaining({ key: 'node.kubernetes.io/unschedulable' }),
      expect.objectContaining({ key: 'dedicated' }),
    ]);
    const main = podOf(objects, 'ospatch-worker-default');
    expect(main.tolerations).toBeUndefined();
    expect(main.volumes.map(({ name }) => name)).toContain('tools');
    expect(main.containers[0]?.volumeMounts).toContainEqual({ name: 'tools', mountPath: '/opt/tools', readOnly: true });
    expect(site.volumes.map(({ name }) => name)).not.toContain('tools');
    expect(main.containers[0]?.env).toEqual(
      expect.arrayContaining([
        { name: 'OSPATCH_LOG_LEVEL', value: 'debug' },
        { name: 'OSPATCH_ENCRYPTION_REQUIRED', value: '1' },
        { name: 'TEMPORAL_API_KEY', valueFrom: { secretKeyRef: { name: 'temporal-api-key', key: 'api-key' } } },
      ]),
    );
    const budgets = objects.filter(({ kind }) => kind === 'PodDisruptionBudget').map(({ metadata }) => metadata.name);
    expect(budgets).toEqual(['ospatch-worker-default']);
    const rules = objects.find(({ kind }) => kind === 'PrometheusRule');
    const [document] = parseAllDocuments(readFileSync(path.join(DEPLOY, 'monitoring/ospatch.rules.yml'), 'utf8'));
    expect(rules?.spec).toEqual(document?.toJS());
  });

  it('gives the account the rights of deploy/ and no others', async () => {
    const objects = await render('-f', path.join(CHART, 'ci/in-cluster-values.yaml'));
    const manifests = (name: string) =>
      parseAllDocuments(readFileSync(path.join(DEPLOY, name), 'utf8')).map((one) => one.toJS() as Rendered);
    const of = (all: readonly Rendered[], kind: string) => all.find((one) => one.kind === kind);
    const rbac = manifests('kubernetes-rbac.yaml');
    expect(of(objects, 'ClusterRole')?.rules).toEqual(of(rbac, 'ClusterRole')?.rules);
    const kind = 'ValidatingAdmissionPolicy';
    const text = JSON.stringify(of(objects, kind)?.spec).replaceAll(
      'system:serviceaccount:patching:ospatch',
      'system:serviceaccount:ospatch:ospatch',
    );
    expect(JSON.parse(text)).toEqual(of(manifests('kubernetes-node-policy.yaml'), kind)?.spec);
    const least = await render(...ADDRESS);
    expect(of(least, 'ClusterRole')).toBeUndefined();
    // Kinds that a cluster without the operator of Prometheus refuses.
    expect(least.filter(({ apiVersion }) => apiVersion.startsWith('monitoring.coreos.com/'))).toEqual([]);
  });

  describe('at a real API server', () => {
    let plane: ControlPlane;

    beforeAll(async () => {
      plane = await startControlPlane();
      await addNode(plane, 'w-1');
      const labels = { 'pod-security.kubernetes.io/enforce': 'restricted' };
      await plane.api.create({ kind: 'Namespace', metadata: { name: NAMESPACE, labels } } as object);
    });
    afterAll(() => plane?.stop());

    it.each(VALUES)('is applied with %s, and its pods are admitted', async (file) => {
      const objects = await render('-f', file);
      // The kinds of the operator of Prometheus are not there.
      const own = objects.filter(({ apiVersion }) => !apiVersion.startsWith('monitoring.coreos.com/'));
      for (const object of own) await apply(plane, object);
      for (const { metadata } of own.filter(({ kind }) => kind === 'Deployment')) {
        await waitFor(
          async () => {
            const { status } = await plane.api.get<{
              status?: { conditions?: { type: string; message: string }[]; replicas?: number };
            }>({ kind: 'Deployment', namespace: NAMESPACE, name: metadata.name });
            const failed = status?.conditions?.find(({ type }) => type === 'ReplicaFailure');
            if (failed !== undefined) throw new Error(failed.message);
            return (status?.replicas ?? 0) > 0;
          },
          { what: `pods of ${metadata.name}` },
        );
      }
      for (const object of own) await plane.api.call('DELETE', pathOf(object));
    });

    it('is installed, upgraded and uninstalled by Helm, whose notes say what is missing and name what is there', async () => {
      const kubeconfig = plane.kubeconfigs.admin;
      const run = async (...args: string[]) => {
        const { code, stdout, stderr } = await helm(...args, '--namespace', NAMESPACE, '--kubeconfig', kubeconfig);
        if (code !== 0) throw new Error(stderr);
        return stdout;
      };
      const least = ['-f', path.join(CHART, 'ci/one-worker-values.yaml')];
      const notes = await run('install', RELEASE, CHART, ...least);
      expect(notes).toContain(
        'Worker ospatch-worker-default serves the task queue ospatch of temporal.temporal.svc:7233',
      );
      expect(notes).toMatch(/WARNING: worker default has no SSH keys[^]*WARNING: without a policy: worker default\./);
      const [, deployment = ''] = /exec deploy\/(\S+) -- ospatch doctor/.exec(notes) ?? [];
      await plane.api.get({ kind: 'Deployment', namespace: NAMESPACE, name: deployment });
      const whole = path.join(CHART, 'ci/in-cluster-values.yaml');
      expect(await run('upgrade', RELEASE, CHART, '-f', whole)).not.toContain('WARNING');
      // A worker may have a policy and keys of its own, and be a part of an installation elsewhere.
      const site = 'workers.default.taskQueue=b,workers.default.activitiesOnly=true,workers.default.keysSecret=b';
      const ofSite = await run(
        'upgrade',
        RELEASE,
        CHART,
        ...least,
        '--set',
        site,
        '--set',
        'workers.default.policyConfigMap=b',
      );
      expect(ofSite).toContain('Worker ospatch-worker-default reaches the nodes of the task queue b of');
      expect(ofSite.match(/WARNING.*/g)).toEqual([expect.stringMatching(/all workers have activitiesOnly/)]);
      await run('uninstall', RELEASE);
      await expect(plane.api.get({ kind: 'Deployment', namespace: NAMESPACE, name: deployment })).rejects.toThrow(
        KubeApiError,
      );
    });

    it('would not admit the same pods without their security context', async () => {
      const pod = podOf(await render(...ADDRESS), 'ospatch-worker-default');
      const create = (spec: object) =>
        plane.api.create({ kind: 'Pod', metadata: { name: 'one', namespace: NAMESPACE }, spec } as object);
      await expect(create({ ...pod, securityContext: {} })).rejects.toThrow(KubeApiError);
      await create(pod);
    });
  });
});
