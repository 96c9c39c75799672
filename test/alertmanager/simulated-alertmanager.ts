/** The API of an Alertmanager in memory, with its rules for changes of silences. */
import type { CallHttp, HttpAnswer } from '../../src/http/call';
import { HttpFailure } from '../../src/http/failure';

interface StoredSilence {
  id: string;
  matchers: { name: string; value: string; isRegex: boolean; isEqual: boolean }[];
  startsAt: string;
  endsAt: string;
  createdBy: string;
  comment: string;
}

export class SimulatedAlertmanager {
  readonly silences: StoredSilence[] = [];
  alerts: { fingerprint: string; alertname: string; severity: string }[] = [];
  isDown = false;
  startedAtMs = 0;
  calls: { method: string; path: string; headers: Readonly<Record<string, string>> }[] = [];
  private lastId = 0;

  constructor(private readonly now: () => number) {}

  readonly call: CallHttp = ({ method, url, body, headers = {} }) => {
    const { pathname, searchParams, host } = new URL(url);
    this.calls.push({ method, path: pathname, headers });
    if (this.isDown) return Promise.reject(new HttpFailure('connection', `${host} refuses the connection`));
    const filters = searchParams.getAll('filter');
    if (pathname.endsWith('/alerts')) return this.answer(this.matching(filters));
    if (pathname.endsWith('/status')) return this.answer({ uptime: new Date(this.startedAtMs).toISOString() });
    if (method === 'GET')
      return this.answer(this.silences.map((one) => ({ ...one, status: { state: this.stateOf(one) } })));
    if (method === 'DELETE') return this.expire(pathname.split('/').at(-1) ?? '');
    return this.set(JSON.parse(body ?? '') as StoredSilence);
  };

  get active(): StoredSilence[] {
    return this.silences.filter((one) => this.stateOf(one) !== 'expired');
  }

  private matching(filters: readonly string[]): unknown[] {
    const matches = (alert: Record<string, string>): boolean =>
      filters.every((filter) => {
        const [, name = '', operator = '', value = ''] = /^(\w+)(=~|=)"(.*)"$/.exec(filter) ?? [];
        return operator === '=' ? alert[name] === value : new RegExp(`^(?:${value})$`).test(alert[name] ?? '');
      });
    return this.alerts.filter(matches).map(({ fingerprint, ...labels }) => ({ fingerprint, labels }));
  }

  private stateOf({ startsAt, endsAt }: StoredSilence): string {
    if (Date.parse(endsAt) <= this.now()) return 'expired';
    return Date.parse(startsAt) > this.now() ? 'pending' : 'active';
  }

  private set(wanted: StoredSilence): Promise<HttpAnswer> {
    const known = this.silences.find(({ id }) => id === wanted.id);
    if (known?.startsAt === wanted.startsAt) {
      Object.assign(known, wanted);
      return this.answer({ silenceID: known.id });
    }
    if (known !== undefined) known.endsAt = new Date(this.now()).toISOString();
    this.lastId += 1;
    const id = `silence-${this.lastId}`;
    this.silences.push({ ...wanted, id });
    return this.answer({ silenceID: id });
  }

  private expire(id: string): Promise<HttpAnswer> {
    const known = this.silences.find((one) => one.id === id);
    if (known !== undefined) known.endsAt = new Date(this.now()).toISOString();
    return this.answer({});
  }

  private answer(content: unknown): Promise<HttpAnswer> {
    const date = new Date(Math.floor(this.now() / 1_000) * 1_000).toUTCString();
    return Promise.resolve({ status: 200, headers: { date }, body: JSON.stringify(content) });
  }
}
