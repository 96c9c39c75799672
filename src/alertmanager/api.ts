/** The API of one Alertmanager, version 2, as far as it is used here. */
import { matcherText } from '../domain/alerts/matchers';
import type { Matcher } from '../domain/alerts/matchers';
import type { AlertmanagerAccess } from '../domain/alerts/types';
import { defined } from '../domain/shared/defined';
import { SECOND_MS } from '../domain/shared/time-units';
import { plainText } from '../domain/shared/text';
import type { CallHttp, HttpAnswer, HttpTls } from '../http/call';
import { parseUrl, serverOf } from '../http/call';
import { HttpFailure } from '../http/failure';
import { hideSecrets, readPublic, readSecret } from '../secret-file';

const TIMEOUT_MS = 5 * SECOND_MS;

/** Some thousands of alerts with long annotations. */
const MAX_BYTES = 16 * 1024 * 1024;

export interface ApiDeps {
  call: CallHttp;
  /** Directory of the files that a spec names. */
  /** Null: there is none. */
  secretDir: string | null;
  signal?: AbortSignal;
}

export interface Alert {
  fingerprint: string;
  name: string;
}

export interface Silence {
  id: string;
  matchers: Matcher[];
  startsAt: string;
  endsAt: string;
  createdBy: string;
  comment: string;
  isExpired: boolean;
}

export interface AlertQuery {
  matchers: readonly Matcher[];
  /** Silenced and inhibited alerts too. */
  all?: boolean;
}

/** One replica of an Alertmanager. All of it throws HttpFailure, or what the file of a secret is not used for. */
export class AlertmanagerApi {
  readonly server: string;
  /** Those that were sent, so that no message repeats one. */
  private readonly secrets: string[] = [];

  constructor(
    private readonly url: string,
    private readonly access: AlertmanagerAccess,
    private readonly deps: ApiDeps,
  ) {
    this.server = serverOf(parseUrl(url));
  }

  /** Alerts that fire and match all of the matchers. */
  async alerts({ matchers, all = false }: AlertQuery): Promise<Alert[]> {
    const states = `active=true&unprocessed=true&silenced=${all}&inhibited=${all}`;
    const answer = await this.ask('GET', `alerts?${states}${filters(matchers)}`);
    return listOf(answer, this.server).map((one) => ({
      fingerprint: text(one['fingerprint']),
      name: plainText(text(record(one['labels'])['alertname']), 100) || 'an alert without a name',
    }));
  }

  /** How long the Alertmanager has been running by its own clock, in milliseconds. */
  async runningForMs(): Promise<number> {
    const answer = await this.ask('GET', 'status');
    const startedMs = Date.parse(text(record(parse(answer, this.server))['uptime']));
    return Number.isNaN(startedMs) ? 0 : clockOf(answer) - startedMs;
  }

  /** Silences with exactly these matchers, and the time of the Alertmanager in epoch milliseconds. */
  async silences(matchers: readonly Matcher[]): Promise<{ silences: Silence[]; nowMs: number }> {
    const answer = await this.ask('GET', `silences?${filters(matchers).slice(1)}`);
    return { silences: listOf(answer, this.server).map(toSilence), nowMs: clockOf(answer) };
  }

  /** `id`: of the silence to change. Returns the id of the silence, which may be another one. */
  async setSilence({ id, isExpired: _isExpired, ...silence }: Omit<Silence, 'id'> & { id?: string }): Promise<string> {
    const body = JSON.stringify({ ...silence, ...defined({ id }) });
    const answer = await this.ask('POST', 'silences', body);
    return text(record(parse(answer, this.server))['silenceID']);
  }

  /** A silence that is gone already has ended, too. */
  async expire(id: string): Promise<void> {
    await this.ask('DELETE', `silence/${encodeURIComponent(id)}`, undefined, [404]);
  }

  private async ask(
    method: 'GET' | 'POST' | 'DELETE',
    path: string,
    body?: string,
    fine: readonly number[] = [],
  ): Promise<HttpAnswer> {
    const { call, signal } = this.deps;
    const answer = await call({
      method,
      url: `${this.url}/api/v2/${path}`,
      headers: {
        ...this.authorization(),
        ...defined({ 'content-type': body === undefined ? undefined : 'application/json' }),
      },
      timeoutMs: TIMEOUT_MS,
      maxBytes: MAX_BYTES,
      ...defined({ body, signal, tls: this.tls() }),
    });
    if ((answer.status < 200 || answer.status > 299) && !fine.includes(answer.status))
      throw rejected(this.server, { ...answer, body: hideSecrets(answer.body, this.secrets) });
    return answer;
  }

  private authorization(): Record<string, string> {
    const { bearerTokenFile, basicAuth } = this.access;
    if (bearerTokenFile !== undefined) return { authorization: `Bearer ${this.secret(bearerTokenFile)}` };
    if (basicAuth === undefined) return {};
    const pair = `${basicAuth.username}:${this.secret(basicAuth.passwordFile)}`;
    return { authorization: `Basic ${Buffer.from(pair).toString('base64')}` };
  }

  private secret(name: string): string {
    const { secretDir } = this.deps;
    const what = `the credentials for the Alertmanager ${this.server}`;
    const secret = readSecret(name, { secretDir, what, type: 'Alertmanager' });
    this.secrets.push(secret);
    return secret;
  }

  private tls(): HttpTls | undefined {
    const { caFile } = this.access;
    if (caFile === undefined) return undefined;
    const { secretDir } = this.deps;
    const what = `the certificates for the Alertmanager ${this.server}`;
    return { ca: readPublic(caFile, { secretDir, what, type: 'Alertmanager' }) };
  }
}

function filters(matchers: readonly Matcher[]): string {
  return matchers.map((one) => `&filter=${encodeURIComponent(matcherText(one))}`).join('');
}

function rejected(server: string, { status, body }: HttpAnswer): HttpFailure {
  if (status === 401 || status === 403) {
    return new HttpFailure(
      'answer',
      `the Alertmanager ${server} does not accept the credentials (status ${status})`,
      'correct bearerTokenFile or basicAuth of alerts.alertmanager, or the content of the file',
    );
  }
  const said = status === 400 ? `: ${plainText(body.replace(/^"|"\s*$/g, ''), 200)}` : '';
  return new HttpFailure('answer', `the Alertmanager ${server} has answered with status ${status}${said}`);
}

/** In whole seconds. The clock of the worker counts for nothing that the Alertmanager compares with its own. */
function clockOf({ headers }: HttpAnswer): number {
  const ms = Date.parse(headers['date'] ?? '');
  return Number.isNaN(ms) ? Date.now() : ms;
}

function parse({ body }: HttpAnswer, server: string): unknown {
  try {
    return JSON.parse(body) as unknown;
  } catch {
    throw notAlertmanager(server);
  }
}

function listOf(answer: HttpAnswer, server: string): Record<string, unknown>[] {
  const list = parse(answer, server);
  if (!Array.isArray(list)) throw notAlertmanager(server);
  return list.map(record);
}

function notAlertmanager(server: string): HttpFailure {
  return new HttpFailure(
    'answer',
    `${server} has not answered as an Alertmanager with the API version 2`,
    'set alerts.alertmanager.url to the address of an Alertmanager 0.22 or newer, with the prefix of its paths if it has one',
  );
}

function toSilence(one: Record<string, unknown>): Silence {
  const matchers = Array.isArray(one['matchers']) ? one['matchers'].map(record) : [];
  return {
    id: text(one['id']),
    matchers: matchers.map((matcher) => ({
      name: text(matcher['name']),
      value: text(matcher['value']),
      isRegex: matcher['isRegex'] === true,
      isEqual: matcher['isEqual'] !== false,
    })),
    startsAt: text(one['startsAt']),
    endsAt: text(one['endsAt']),
    createdBy: text(one['createdBy']),
    comment: text(one['comment']),
    isExpired: record(one['status'])['state'] === 'expired',
  };
}

function record(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
