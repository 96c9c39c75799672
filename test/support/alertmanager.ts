/** A real Alertmanager of Debian (`scripts/setup.sh alertmanager`). */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePorts } from '../../src/dev/ports';
import { waitFor } from './wait-for';

export interface RealSilence {
  state: string;
  endsAt: string;
  createdBy: string;
  comment: string;
  matchers: { name: string; value: string }[];
}

const CONFIG = 'route: {receiver: none}\nreceivers: [{name: none}]\n';

export class RealAlertmanager {
  private process: ChildProcess | null = null;

  private constructor(
    private readonly directory: string,
    private readonly port: number,
  ) {}

  static async start(): Promise<RealAlertmanager> {
    const directory = mkdtempSync(join(tmpdir(), 'ospatch-alertmanager-'));
    writeFileSync(join(directory, 'config.yaml'), CONFIG);
    const [port = 0] = await freePorts(1);
    const manager = new RealAlertmanager(directory, port);
    await manager.run();
    return manager;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async run(): Promise<void> {
    const settings = {
      'config.file': join(this.directory, 'config.yaml'),
      'storage.path': this.directory,
      'web.listen-address': `127.0.0.1:${this.port}`,
      'cluster.listen-address': '',
    };
    const args = Object.entries(settings).map(([name, value]) => `--${name}=${value}`);
    this.process = spawn('prometheus-alertmanager', args, { stdio: 'ignore' });
    const isReady = (): Promise<boolean> =>
      fetch(`${this.url}/-/ready`).then(
        ({ ok }) => ok,
        () => false,
      );
    await waitFor(isReady, { what: 'the Alertmanager to be ready' });
  }

  /** As with kill -9. */
  async kill(): Promise<void> {
    const { process } = this;
    this.process = null;
    if (process === null || process.exitCode !== null) return;
    const ended = once(process, 'exit');
    process.kill('SIGKILL');
    await ended;
  }

  async stop(): Promise<void> {
    await this.kill();
    rmSync(this.directory, { recursive: true, force: true });
  }

  async fire(alertname: string, labels: Record<string, string> = {}): Promise<void> {
    await this.post([{ labels: { alertname, ...labels }, endsAt: new Date(Date.now() + 3_600_000).toISOString() }]);
  }

  async resolve(alertname: string, labels: Record<string, string> = {}): Promise<void> {
    await this.post([{ labels: { alertname, ...labels }, endsAt: new Date(Date.now() - 1_000).toISOString() }]);
  }

  /** Those that have not ended. */
  async silences(): Promise<RealSilence[]> {
    const answer = await fetch(`${this.url}/api/v2/silences`);
    const all = (await answer.json()) as (RealSilence & { status: { state: string } })[];
    return all.map((one) => ({ ...one, state: one.status.state })).filter(({ state }) => state !== 'expired');
  }

  private async post(alerts: unknown): Promise<void> {
    const headers = { 'content-type': 'application/json' };
    const { ok, status } = await fetch(`${this.url}/api/v2/alerts`, {
      method: 'POST',
      headers,
      body: JSON.stringify(alerts),
    });
    if (!ok) throw new Error(`the Alertmanager has answered with status ${status}`);
  }
}
