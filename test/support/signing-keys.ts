/** Keys of persons, and lists of signers, in a directory that is removed afterwards. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { SIGNATURE_NAMESPACE } from '../../src/domain/cluster/signature';

export class SigningKeys {
  readonly directory = mkdtempSync(path.join(tmpdir(), 'ospatch-signing-'));
  readonly signers = path.join(this.directory, 'allowed_signers');
  private readonly listed = new Map<string, string>();

  /** A key without a passphrase; the path of its private half. */
  add(name: string, type = 'ed25519'): string {
    const file = path.join(this.directory, name);
    execFileSync('ssh-keygen', ['-q', '-t', type, '-N', '', '-C', name, '-f', file]);
    return file;
  }

  publicKey(file: string): string {
    return readFileSync(`${file}.pub`, 'utf8').trim().split(' ').slice(0, 2).join(' ');
  }

  /** Puts a key on the list of signers; `options` as in allowed_signers. */
  list(principal: string, file: string, options = `namespaces="${SIGNATURE_NAMESPACE}"`): void {
    this.listed.set(principal, `${principal} ${options} ${this.publicKey(file)}\n`);
    this.write();
  }

  unlist(principal: string): void {
    this.listed.delete(principal);
    this.write();
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }

  private write(): void {
    writeFileSync(this.signers, [...this.listed.values()].join(''), { mode: 0o644 });
  }
}
