/** Tokens of the test control plane and the files that carry them. */
import { sign } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import path from 'node:path';

export interface Kubeconfig {
  server: string;
  /** PEM. */
  ca: string;
  token: string;
}

/** Writes a kubeconfig with one context, `lab`, and returns its path. */
export function writeKubeconfig(dir: string, name: string, { server, ca, token }: Kubeconfig): string {
  const file = path.join(dir, name);
  const text = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'lab', cluster: { server, 'certificate-authority-data': Buffer.from(ca).toString('base64') } }],
    users: [{ name, user: { token } }],
    contexts: [{ name: 'lab', context: { cluster: 'lab', user: name } }],
    'current-context': 'lab',
  };
  // JSON is YAML.
  writeFileSync(file, `${JSON.stringify(text, null, 2)}\n`, { mode: 0o600 });
  return file;
}

/** The same service account token, signed as the API server signs it, but with an end an hour ago. */
export function expired(token: string, signingKeyPem: string): string {
  const [header = '', payload = ''] = token.split('.');
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as Record<string, unknown>;
  const now = Math.floor(Date.now() / 1000);
  const past = { ...claims, iat: now - 7_200, nbf: now - 7_200, exp: now - 3_600 };
  const body = `${header}.${Buffer.from(JSON.stringify(past)).toString('base64url')}`;
  return `${body}.${sign('sha256', Buffer.from(body), signingKeyPem).toString('base64url')}`;
}
