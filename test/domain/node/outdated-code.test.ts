import type { OutdatedCode } from '../../../src/domain/node/outdated-code';
import {
  RESTART_BLOCKERS,
  describeOutdated,
  outcomeWithOutdated,
  outdatedWarnings,
  runsOutdated,
  systemRunsOutdated,
} from '../../../src/domain/node/outdated-code';

const outdated = (more: Partial<OutdatedCode>): OutdatedCode => ({
  services: [],
  sessions: [],
  containers: [],
  processes: [],
  ...more,
});

describe('src/domain/node/outdated-code', () => {
  it('counts what the system runs as a reason to reboot, and nothing of users', () => {
    const none = { services: [], sessions: [], containers: [], processes: [] };
    expect(systemRunsOutdated({ outdated: { ...none, services: ['a.service'] } })).toBe(true);
    expect(systemRunsOutdated({ outdated: { ...none, containers: ['shim'] } })).toBe(true);
    expect(
      systemRunsOutdated({ outdated: { ...none, sessions: ['eve (session 3)'], userServices: ['systemd of eve'] } }),
    ).toBe(false);
    expect(systemRunsOutdated({})).toBe(false);
  });

  it('names the processes with replaced code, by kind', () => {
    const all = outdated({ services: ['a.service', 'b.service'], sessions: ['alice (session 3)'], processes: ['top'] });
    expect(describeOutdated(all)).toBe(
      '2 services (a.service, b.service), 1 login (alice (session 3)) and 1 process (top)',
    );
  });

  it('gives the action that loads the new code for each kind', () => {
    const all = outdated({
      services: ['a.service', 'b.service', 'm.service', 'n.service'],
      sessions: ['alice (session 3)', 'bob (by ssh)'],
      userServices: ['systemd of alice', 'web.service of alice', 'dbus.service of bob'],
      processes: ['top'],
      blockers: [
        { service: 'm.service', blocker: 'masked-runtime' },
        { service: 'n.service', blocker: 'left', pids: [11, 12] },
      ],
    });
    expect(outdatedWarnings(all).map(({ message, remedy }) => `${message}. ${remedy}`)).toEqual([
      '2 services (a.service, b.service) still run code that was replaced on disk. `systemctl restart a.service b.service` on the node, patching.restartServices, or a reboot',
      '1 service (m.service) still runs code that was replaced on disk: masked, so that systemd would not start it again. `systemctl stop m.service` if nobody needs it, else `systemctl unmask --runtime m.service && systemctl restart m.service`',
      '1 service (n.service) still runs code that was replaced on disk: processes left over from before its last start or stop, which a restart does not end. `kill 11 12` on the node, or wait until they end',
      "2 services of users' managers (web.service of alice, dbus.service of bob) still run code that was replaced on disk. `systemctl --user -M alice@ restart web.service; systemctl restart user@$(id -u bob)` on the node, a restart of that user's manager, or a reboot",
      "1 service of a user's manager (systemd of alice) still runs code that was replaced on disk. `systemctl --user -M alice@ daemon-reexec` on the node, or a reboot",
      '2 logins (alice (session 3), bob (by ssh)) still run code that was replaced on disk. ends when they log out, by `loginctl terminate-session 3`, or by a reboot',
      '1 process (top) still runs code that was replaced on disk. stop them and start them again the way they were started, or reboot the node',
    ]);
  });

  it.each(RESTART_BLOCKERS)('has a remedy for %s that is stored whole and does not lead back to itself', (blocker) => {
    const services = Array.from({ length: 100 }, (_, at) => `a-service-with-a-long-name-${at}.service`);
    const blockers = services.map((service, at) => ({ service, blocker, pids: [at + 4_000_000] }));
    for (const { remedy } of outdatedWarnings(outdated({ services, blockers }))) {
      expect(remedy?.length).toBeLessThanOrEqual(200);
      expect(remedy).not.toMatch(/^`systemctl restart [^`]*` on the node/);
    }
  });

  it('restarts an OpenRC service with rc-service', () => {
    expect(outdatedWarnings(outdated({ services: ['nginx'] }))[0]?.remedy).toMatch(/^`rc-service nginx restart` /);
  });

  it('counts unnamed processes, and not those that the node omitted', () => {
    const many = (length: number) => outdated({ services: Array.from({ length }, (_, at) => `s${at}.service`) });
    expect(describeOutdated(many(10))).toMatch(/^10 services \(s0\.service, .* and 2 more\)$/);
    expect(describeOutdated(many(100))).toMatch(/^100 or more services /);
  });

  it('does not suggest restarting PID 1 as a service', () => {
    const remedy = outdatedWarnings(outdated({ services: ['systemd-manager'] }))[0]?.remedy;
    expect(remedy).toBe('`systemctl daemon-reexec` on the node, patching.restartServices, or a reboot');
  });

  it('quotes names for the shell', () => {
    const remedy = outdatedWarnings(outdated({ services: ['a\\x2db.service'] }))[0]?.remedy;
    expect(remedy).toContain("systemctl restart 'a\\x2db.service'");
  });

  it.each([
    ['patched', 'restart-pending'],
    ['up-to-date', 'restart-pending'],
    ['reboot-pending', 'reboot-pending'],
  ])('describes %s as %s', (outcome, expected) => {
    expect(outcomeWithOutdated(outcome, { outdated: outdated({ sessions: ['bob (session 1)'] }) })).toBe(expected);
    expect(outcomeWithOutdated(outcome, { outdated: outdated({}) })).toBe(outcome);
  });

  it('reads a missing answer of an older helper as none', () => {
    expect(runsOutdated({})).toBe(false);
  });
});
