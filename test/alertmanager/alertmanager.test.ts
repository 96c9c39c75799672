import { readAlerts } from '../../src/alertmanager/read-alerts';
import { endSilences, holdSilences } from '../../src/alertmanager/silences';
import type { AlertFilter } from '../../src/domain/alerts/types';
import { SimulatedAlertmanager } from './simulated-alertmanager';

const LEASE_MS = 600_000;
const FILTER: AlertFilter = { block: 'all', ignore: ['Watchdog'], startupGraceMs: 120_000 };
const OURS = {
  matchers: [{ name: 'instance', value: 'w-1(:.*)?', isRegex: true, isEqual: true }],
  comment: 'ospatch patches the node w-1',
  mark: '[abc/0]',
};
const WANTED = [OURS];

describe('alertmanager', () => {
  /** The clock of the Alertmanager, which is a day ahead of that of the worker. */
  let nowMs = Date.parse('2030-01-07T12:00:00.400Z');
  let one: SimulatedAlertmanager;
  let other: SimulatedAlertmanager;
  const access = { url: ['http://one:9093/prefix', 'http://other:9093'] };
  const deps = {
    secretDir: null,
    call: (call: Parameters<SimulatedAlertmanager['call']>[0]) =>
      (call.url.startsWith('http://one') ? one : other).call(call),
  };

  beforeEach(() => {
    one = new SimulatedAlertmanager(() => nowMs);
    other = new SimulatedAlertmanager(() => nowMs);
  });

  describe('silences', () => {
    it('lasts for its lease by the clock of the Alertmanager, and keeps its id when it is renewed', async () => {
      await holdSilences(access, WANTED, LEASE_MS, deps);
      nowMs += 200_000;
      await holdSilences(access, WANTED, LEASE_MS, deps);
      expect(one.silences).toHaveLength(1);
      expect(Date.parse(one.silences[0]?.endsAt ?? '') - nowMs).toBeGreaterThan(LEASE_MS - 2_000);
      expect(Date.parse(one.silences[0]?.endsAt ?? '') - nowMs).toBeLessThan(LEASE_MS + 4_000);
      nowMs += LEASE_MS + 4_000;
      expect(one.active).toHaveLength(0);
    });

    it('makes a new silence when the last one has ended, and leaves those of others alone', async () => {
      await holdSilences(access, [{ ...OURS, mark: '[other/0]' }], LEASE_MS, deps);
      await holdSilences(access, WANTED, LEASE_MS, deps);
      await endSilences(access, WANTED, 0, deps);
      expect(one.active.map(({ comment }) => comment)).toEqual(['ospatch patches the node w-1 [other/0]']);
      await holdSilences(access, WANTED, LEASE_MS, deps);
      expect(one.active).toHaveLength(2);
    });

    it('lets a silence end later when it has a tail', async () => {
      await holdSilences(access, WANTED, LEASE_MS, deps);
      nowMs += 10_000;
      await endSilences(access, WANTED, 60_000, deps);
      expect(one.active).toHaveLength(1);
      nowMs += 61_000;
      expect(one.active).toHaveLength(0);
    });

    it('asks the next replica when one does not answer, and fails with all of their reasons', async () => {
      one.isDown = true;
      await holdSilences(access, WANTED, LEASE_MS, deps);
      expect(other.active).toHaveLength(1);
      other.isDown = true;
      await expect(holdSilences(access, WANTED, LEASE_MS, deps)).rejects.toThrow(
        'one:9093 refuses the connection; other:9093 refuses the connection',
      );
    });

    it('keeps the prefix of the address', async () => {
      await holdSilences(access, WANTED, LEASE_MS, deps);
      expect(one.calls.map(({ path }) => path)).toEqual(['/prefix/api/v2/silences', '/prefix/api/v2/silences']);
    });
  });

  describe('alerts', () => {
    const fire = (alertname: string, severity = 'critical') => ({ fingerprint: alertname, alertname, severity });

    it('passes when nothing but ignored alerts fires', async () => {
      one.alerts = [fire('Watchdog')];
      expect(await readAlerts(access, FILTER, deps)).toEqual({ result: 'pass', names: [], total: 0 });
    });

    it('fails when one replica knows of an alert', async () => {
      other.alerts = [fire('HighLoad'), fire('DiskFull'), fire('Watchdog')];
      expect(await readAlerts(access, FILTER, deps)).toEqual({
        ...{ result: 'fail', names: ['DiskFull', 'HighLoad'], total: 2 },
      });
    });

    it('fails for alerts of one of several matchers only', async () => {
      const filter = { ...FILTER, block: ['severity="critical"', 'alertname=~"Node.*"'], ignore: [] };
      one.alerts = [fire('Other', 'info')];
      expect(await readAlerts(access, filter, deps)).toMatchObject({ result: 'pass' });
      one.alerts = [fire('NodeDown', 'info')];
      expect(await readAlerts(access, filter, deps)).toMatchObject({ result: 'fail', names: ['NodeDown'] });
    });

    it('is unknown when nobody answers', async () => {
      one.isDown = true;
      expect(await readAlerts(access, FILTER, deps)).toMatchObject({ result: 'pass' });
      other.isDown = true;
      expect(await readAlerts(access, FILTER, deps)).toEqual({
        ...{ result: 'unknown', names: [], total: 0 },
        why: 'one:9093 refuses the connection; other:9093 refuses the connection',
      });
    });

    it('does not believe an Alertmanager that has just been started that nothing fires', async () => {
      one.startedAtMs = nowMs - 60_000;
      other.startedAtMs = nowMs - 60_000;
      const { result, why } = await readAlerts(access, FILTER, deps);
      expect([result, why]).toEqual(['unknown', expect.stringContaining('was started less than 2m ago')]);
      one.alerts = [fire('HighLoad')];
      expect(await readAlerts(access, FILTER, deps)).toMatchObject({ result: 'fail' });
    });

    it('is unknown when the alert that always fires does not', async () => {
      const { result, why } = await readAlerts(access, { ...FILTER, watchdog: 'Watchdog' }, deps);
      expect([result, why]).toEqual([
        'unknown',
        expect.stringContaining('Watchdog, which always fires, has not arrived'),
      ]);
      one.alerts = [fire('Watchdog')];
      expect(await readAlerts(access, { ...FILTER, watchdog: 'Watchdog' }, deps)).toMatchObject({ result: 'pass' });
    });
  });
});
