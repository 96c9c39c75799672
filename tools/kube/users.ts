/** Who may use the test control plane: the account that users are told to make, and those that are turned away. */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';

import { parseAllDocuments } from 'yaml';

import { expired, writeKubeconfig } from './credentials';
import type { KubeApi, KubeObject } from './kube-api';

const DEPLOY_DIR = path.join(__dirname, '../../deploy');

/** Longer than any suite. */
const TOKEN_SECONDS = 7_200;

/** Paths of kubeconfigs, by whom they let in. */
export interface Kubeconfigs {
  /** May do everything. */
  admin: string;
  /** The service account of `deploy/kubernetes-rbac.yaml`, with exactly its rights. */
  ospatch: string;
  /** The same, with a token that ended an hour ago. */
  expired: string;
  /** A token nobody knows. */
  wrong: string;
}

/** Applies the manifests and writes the kubeconfigs of its service account. */
export async function makeUsers(api: KubeApi, dir: string, signingKey: string): Promise<Omit<Kubeconfigs, 'admin'>> {
  await applyManifest(api, 'kubernetes-rbac.yaml');
  await applyManifest(api, 'kubernetes-node-policy.yaml');
  const token = await tokenOf(api, 'ospatch', 'ospatch');
  const write = (name: string, value: string) => writeKubeconfig(dir, name, { ...api.options, token: value });
  return {
    ospatch: write('ospatch', token),
    expired: write('expired', expired(token, signingKey)),
    wrong: write('wrong', randomBytes(16).toString('hex')),
  };
}

/** Creates every object of a file in `deploy/`. */
export async function applyManifest(api: KubeApi, name: string): Promise<void> {
  const text = readFileSync(path.join(DEPLOY_DIR, name), 'utf8');
  for (const document of parseAllDocuments(text)) await api.create(document.toJS() as KubeObject);
}

async function tokenOf(api: KubeApi, namespace: string, account: string): Promise<string> {
  const answer = await api.call<{ status: { token: string } }>(
    'POST',
    `/api/v1/namespaces/${namespace}/serviceaccounts/${account}/token`,
    {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      spec: { audiences: ['https://kubernetes.default.svc'], expirationSeconds: TOKEN_SECONDS },
    },
  );
  return answer.status.token;
}
