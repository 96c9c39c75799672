/** What the OpenSSH client of the worker knows. A name that it does not know makes it reject its configuration. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { clientEnvironment } from './client';

export interface ClientCapabilities {
  kex: readonly string[];
  ciphers: readonly string[];
  macs: readonly string[];
  /** Of host keys and user keys, certificates included. */
  signatures: readonly string[];
  /** The client itself refuses RSA keys that are too short, also in certificates (OpenSSH 9.1). */
  checksRsaSize: boolean;
}

const TIMEOUT_MS = 10_000;

/** Clients before 8.5 cannot list them. All since 7.2 know these. */
const OLD_SIGNATURES = [
  'ssh-ed25519',
  'ecdsa-sha2-nistp256',
  'ecdsa-sha2-nistp384',
  'ecdsa-sha2-nistp521',
  'rsa-sha2-512',
  'rsa-sha2-256',
  'ssh-ed25519-cert-v01@openssh.com',
  'ecdsa-sha2-nistp256-cert-v01@openssh.com',
  'ecdsa-sha2-nistp384-cert-v01@openssh.com',
  'ecdsa-sha2-nistp521-cert-v01@openssh.com',
];

/** @throws Error as `execFile` when there is no client */
export async function clientCapabilities(): Promise<ClientCapabilities> {
  const [kex, ciphers, macs, signatures, checksRsaSize] = await Promise.all([
    list('kex'),
    list('cipher'),
    list('mac'),
    list('HostKeyAlgorithms').catch(() => OLD_SIGNATURES),
    ask('-F', 'none', '-o', 'RequiredRSASize=2048', '-G', 'x').then(
      () => true,
      () => false,
    ),
  ]);
  return { kex, ciphers, macs, signatures, checksRsaSize };
}

async function list(kind: string): Promise<string[]> {
  return (await ask('-Q', kind)).split('\n').filter((line) => line !== '');
}

async function ask(...args: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)('ssh', args, { env: clientEnvironment(), timeout: TIMEOUT_MS });
  return stdout;
}
