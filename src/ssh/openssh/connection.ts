/**
 * Connections made by the OpenSSH client: one control master per machine, and one short-lived client per command, which
 * uses the master's socket in a private directory and cannot connect by itself.
 *
 * A command ended by a signal is reported as a lost connection, because the client does not distinguish the two.
 */
import type { ChildProcess } from 'node:child_process';
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { isOspatchError } from '../../domain/shared/errors';
import { CappedOutput } from '../capped-output';
import { floods, noAnswer, noHostKeys, unreachable } from '../connect-errors';
import type { Connection, SshConnectOptions } from '../builtin/connection';
import { DEFAULT_EXEC_TIMEOUT_MS, DEFAULT_MAX_BYTES, SessionRefused, abortReason } from '../builtin/connection';
import type { IdentitySource } from '../builtin/identity';
import { findIdentity } from '../builtin/identity';
import type { Driver } from '../driver';
import type { LoginAttempt } from '../login-gate';
import type { ClientIdentity } from './config';
import type { ClientCapabilities } from './capabilities';
import { clientCapabilities } from './capabilities';
import { ClientFiles, clientEnvironment, emptyLogs, logIn, noClient, readLog } from './client';
import { cryptoLines } from './crypto';
import { ALIAS, renderConfig, renderKnownHosts } from './config';
import { PrivateDirectory } from './directory';
import { startPrivateAgent } from './agent';
import type { ExecOptions, ExecResult, SshTarget } from '../transport';

/** Exit code of the client for its own failures, which any command may use too. */
const EX_SSH = 255;
/** The client rejects a key file that others can read, even a public key. */
const PRIVATE = { mode: 0o600 };
/** A master that ignores the exit request ends by itself after a minute of idling. */
const GRACE_MS = 5_000;

interface PreparedIdentity {
  identity: ClientIdentity;
  /** Holds the key during the login. */
  agent?: { stop(): void };
}

export class OpensshDriver implements Driver<OpensshConnection> {
  private readonly directory = new PrivateDirectory();
  private readonly open = new Set<OpensshConnection>();
  private capabilities: Promise<ClientCapabilities> | undefined;

  constructor(private readonly options: SshConnectOptions) {}

  /** @throws OspatchError `Unreachable`, `HostKeyMismatch`, `AuthFailed` or `IdentityUnavailable` */
  connect(target: SshTarget, via: OpensshConnection | null, attempt: LoginAttempt): Promise<OpensshConnection> {
    return this.connectAs(target, via, attempt, (files) => this.prepareIdentity(target, files));
  }

  /** Without a key the login ends right after the host key was verified. */
  async probe(target: SshTarget, via: OpensshConnection | null, attempt: LoginAttempt): Promise<void> {
    try {
      const connection = await this.connectAs(target, via, attempt, () =>
        Promise.resolve({ identity: { kind: 'none' } }),
      );
      // A machine that lets everybody in.
      connection.end();
    } catch (error) {
      if (!isOspatchError(error) || error.type !== 'AuthFailed' || !attempt.wasOffered) throw error;
    }
  }

  private async connectAs(
    target: SshTarget,
    via: OpensshConnection | null,
    attempt: LoginAttempt,
    prepare: (files: ClientFiles) => Promise<PreparedIdentity>,
  ): Promise<OpensshConnection> {
    const knownHosts = renderKnownHosts(target);
    if (knownHosts === '') throw noHostKeys(target);
    const policy = this.options.cryptoPolicy?.current() ?? {};
    const crypto = cryptoLines(target.hostKeys, await this.clientKnows(), policy);
    if (via !== null) emptyLogs(via.files);
    const dir = this.directory.make();
    const files = new ClientFiles(dir);
    let agent: { stop(): void } | undefined;
    try {
      const login = await prepare(files);
      agent = login.agent;
      writeFileSync(files.knownHosts, knownHosts, PRIVATE);
      const config = renderConfig({
        endpoint: target,
        identity: login.identity,
        knownHostsFile: files.knownHosts,
        controlPath: files.socket,
        jumpControlPath: via?.files.socket ?? null,
        connectTimeoutSeconds: Math.max(1, Math.ceil(this.options.connectTimeoutMs / 1000)),
        crypto,
      });
      writeFileSync(files.config, config, PRIVATE);
      await logIn(target, files, this.options.connectTimeoutMs, via?.target ?? null, attempt);
      const connection = new OpensshConnection(target, files);
      this.open.add(connection);
      connection.onClose(() => this.open.delete(connection));
      return connection;
    } catch (error) {
      rmSync(dir, { recursive: true, force: true });
      throw error;
    } finally {
      agent?.stop();
    }
  }

  close(): void {
    for (const connection of this.open) connection.endNow();
    this.directory.remove();
  }

  /** Asked once; again after a failure, because a client may be installed meanwhile. */
  private async clientKnows(): Promise<ClientCapabilities> {
    this.capabilities ??= clientCapabilities();
    try {
      return await this.capabilities;
    } catch (error) {
      this.capabilities = undefined;
      throw noClient(error as Error);
    }
  }

  private async prepareIdentity(target: SshTarget, files: ClientFiles): Promise<PreparedIdentity> {
    const source = await findIdentity(target.identity, this.options);
    if (source.kind === 'agent') return { identity: agentIdentity(source, files) };
    const { file, key, encrypted } = source;
    if (!encrypted || key === null) return { identity: { kind: 'file', file: path.resolve(file) } };
    writeFileSync(files.publicKey, `${key.type} ${key.getPublicSSH().toString('base64')}\n`, PRIVATE);
    const certificate = path.resolve(`${file}-cert.pub`);
    const agent = await startPrivateAgent(files.agent, key);
    const held = { kind: 'held' as const, files: [files.publicKey], socket: files.agent };
    return { identity: { ...held, certificate: existsSync(certificate) ? certificate : null }, agent };
  }
}

/** Without public keys in files the client offers all keys of the agent. */
function agentIdentity(
  { socket, held, keys, isOne }: Extract<IdentitySource, { kind: 'agent' }>,
  files: ClientFiles,
): ClientIdentity {
  if (!isOne && held === keys.length) return { kind: 'agent', socket };
  const names = keys.map(({ type, blob }, index) => {
    const name = `${files.publicKey}-${index + 1}`;
    writeFileSync(name, `${type} ${blob.toString('base64')}\n`, PRIVATE);
    return name;
  });
  return { kind: 'held', files: names, socket, certificate: null };
}

export class OpensshConnection implements Connection {
  private ended = false;
  private readonly listeners = new Set<() => void>();

  constructor(
    readonly target: SshTarget,
    readonly files: ClientFiles,
  ) {}

  /** The master removes its socket when it ends. */
  get closed(): boolean {
    return this.ended || !existsSync(this.files.socket);
  }

  onClose(listener: () => void): void {
    if (this.ended) listener();
    else this.listeners.add(listener);
  }

  end(): void {
    if (this.ended) return;
    this.told();
    const client = spawn('ssh', this.exitArguments(), { env: clientEnvironment(), stdio: 'ignore', timeout: GRACE_MS });
    const clean = (): void => rmSync(this.files.dir, { recursive: true, force: true });
    client.once('error', clean);
    client.once('exit', clean);
    client.unref();
  }

  /** Synchronous variant for a process that is about to exit. */
  endNow(): void {
    if (this.ended) return;
    this.told();
    spawnSync('ssh', this.exitArguments(), { env: clientEnvironment(), stdio: 'ignore', timeout: GRACE_MS });
    rmSync(this.files.dir, { recursive: true, force: true });
  }

  private exitArguments(): string[] {
    return ['-F', this.files.config, '-O', 'exit', '--', ALIAS];
  }

  private told(): void {
    this.ended = true;
    for (const listener of this.listeners) listener();
    this.listeners.clear();
  }

  async exec(command: string, options: ExecOptions = {}): Promise<ExecResult> {
    if (options.signal?.aborted === true) throw abortReason(options.signal);
    if (this.closed) {
      this.end();
      throw unreachable(this.target, 'the connection was lost');
    }
    emptyLogs(this.files);
    const log = this.files.nextLog();
    // Without a master the client would connect by itself, which `false` prevents.
    const settings = ['LogLevel=DEBUG2', 'ControlMaster=no', 'ProxyCommand=false'].flatMap((one) => ['-o', one]);
    const args = ['-F', this.files.config, '-E', log, ...settings, ALIAS, '--', command];
    try {
      const child = spawn('ssh', args, { env: clientEnvironment(), stdio: ['pipe', 'pipe', 'pipe'] });
      const end = await this.follow(child, options);
      if (end.code === EX_SSH || end.code === null) this.checkEnd(readLog(log));
      return end;
    } finally {
      rmSync(log, { force: true });
    }
  }

  /** Returns when the command itself exited with code 255, and throws when the client failed. */
  private checkEnd(log: string): void {
    if (/Received exit status from master 255/.test(log)) return;
    if (/Session open refused by peer|session request failed/.test(log)) {
      throw new SessionRefused('the session was refused');
    }
    this.end();
    throw unreachable(this.target, 'the connection was lost');
  }

  private follow(child: ChildProcess, options: ExecOptions): Promise<ExecResult> {
    const { signal, stdin, timeoutMs = DEFAULT_EXEC_TIMEOUT_MS, maxBytes = DEFAULT_MAX_BYTES } = options;
    const output = new CappedOutput(maxBytes);
    return new Promise((resolve, reject) => {
      const settle = (finish: () => void): void => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', aborted);
        finish();
      };
      const giveUp = (error: Error): void => {
        settle(() => reject(error));
        child.kill('SIGKILL');
        child.stdout?.destroy();
        child.stderr?.destroy();
      };
      const aborted = (): void => giveUp(abortReason(signal));
      const timer = setTimeout(() => {
        giveUp(noAnswer(this.target, timeoutMs));
        this.end();
      }, timeoutMs);
      signal?.addEventListener('abort', aborted, { once: true });
      const keep = (stream: 'stdout' | 'stderr') => (chunk: Buffer) => {
        if (output.push(stream, chunk)) return;
        giveUp(floods(this.target, 'for one command'));
        this.end();
      };
      child.stdout?.on('data', keep('stdout'));
      child.stderr?.on('data', keep('stderr'));
      // A command that does not read its input has not failed.
      child.stdin?.on('error', () => undefined);
      child.stdin?.end(stdin);
      child.once('error', (error) => settle(() => reject(noClient(error))));
      child.once('close', (code) => {
        settle(() => resolve({ code, signal: null, ...output.value() }));
      });
    });
  }
}
