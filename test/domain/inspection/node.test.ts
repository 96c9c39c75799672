import type { NodeObservation } from '../../../src/domain/inspection/node';
import { failedInspection, toInspection } from '../../../src/domain/inspection/node';
import type { ErrorInfo } from '../../../src/domain/shared/errors';
import type { Finding } from '../../../src/domain/inspection/finding';
import type { NodeFacts } from '../../../src/domain/node/report';
import { nodeFacts, patchPlan } from '../../support/builders';

const POLICY = { withoutDrain: false, rebootIfRequired: true };
const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;

function observed(more: Partial<NodeObservation> = {}): NodeObservation {
  return {
    facts: nodeFacts(),
    clockAheadMs: 0,
    plan: patchPlan(),
    helperPlaced: null,
    error: null,
    timedOutMs: null,
    ...more,
  };
}

function findings(more: Partial<NodeObservation>, policy: Partial<typeof POLICY> = {}): Finding[] {
  return toInspection('w-1', observed(more), { ...POLICY, ...policy }).findings;
}

const PACKAGES = { count: 1, digest: 'x', problems: ['libc6 is not fully installed (iF )'] };
const FREE = { root: 10_000, var: 10_000, boot: 500 };

describe('src/domain/inspection/node', () => {
  it('reports a healthy node as patchable, with its OS and pending packages', () => {
    const plan = patchPlan('a', 'b');
    expect(toInspection('w-1', observed({ plan }), POLICY)).toEqual({
      facts: nodeFacts(),
      plan,
      drain: null,
      error: null,
      node: 'w-1',
      verdict: 'ok',
      os: 'Debian GNU/Linux 12.15',
      pending: 2,
      findings: [
        {
          severity: 'ok',
          check: 'ready',
          message: 'can be patched: Debian GNU/Linux 12.15, 2 packages pending',
          remedy: null,
        },
      ],
    });
  });

  it.each<[string, Partial<NodeFacts>, string, RegExp, RegExp]>([
    ['damaged packages', { packages: PACKAGES }, 'warning packages', /libc6.*repairs it first/, /dpkg --configure -a/],
    ['a held lock', { lockHolder: 'apt-get (pid 8)' }, 'warning package-lock', /apt-get \(pid 8\)/, /let it finish/],
    [
      'a job of a killed run',
      { job: 'abc-apply-1', lockHolder: 'apt-get (pid 8)' },
      'warning job',
      /abc-apply-1.*waits for its end/,
      /journalctl/,
    ],
    ['a job nobody can name', { job: 'unknown' }, 'warning job', /^an ospatch job is still running/, /journalctl/],
    [
      'another updater',
      { otherUpdaters: ['unattended-upgrades'] },
      'warning other-updaters',
      /unattended-upgrades also patches/,
      /disable --now apt-daily-upgrade\.timer/,
    ],
    [
      'dnf-automatic',
      { otherUpdaters: ['dnf-automatic'] },
      'warning other-updaters',
      /dnf-auto/,
      /dnf-automatic\.timer/,
    ],
    ['another reboot owner', { rebootOwners: ['kured'] }, 'error reboot-owners', /kured/, /switch kured off/],
    ['an agent without drain', { kubernetesAgents: ['kubelet'] }, 'error kubernetes', /kubelet/, /withoutDrain/],
    ['a full disk', { diskFreeMiB: { ...FREE, var: 299 } }, 'error disk', /299 MiB free on \/var/, /free some space/],
    ['a full root', { diskFreeMiB: { ...FREE, root: 10 } }, 'error disk', /10 MiB free on \/;/, /free some space/],
    ['little space', { diskFreeMiB: { ...FREE, var: 300 } }, 'warning disk', /only 300 MiB.*\/var/, /apt-get clean/],
    ['a small /boot', { diskFreeMiB: { ...FREE, boot: 40 } }, 'warning disk', /only 40 MiB.*\/boot/, /old kernels/],
    [
      'a failed unit',
      { failedUnits: ['a.service'] },
      'warning units',
      /1 unit has failed \(a\.service\)/,
      /a\.service/,
    ],
    ['a system that is starting', { systemState: 'starting' }, 'warning units', /"starting"/, /list-jobs/],
    [
      'a pending reboot',
      { reboot: { required: true, reasons: ['package libc6'] } },
      'warning reboot',
      /package libc6.*next run reboots the node/,
      /patch the node/,
    ],
  ])('finds %s', (_, facts, expected, message, remedy) => {
    const [finding, ...rest] = findings({ facts: nodeFacts(facts) });
    expect(rest).toEqual([]);
    expect(`${finding?.severity} ${finding?.check}`).toBe(expected);
    expect(finding?.message).toMatch(message);
    expect(finding?.remedy).toMatch(remedy);
  });

  it.each<[string, number, string | null, RegExp]>([
    ['a minute', MINUTE_MS, null, /./],
    ['more than a minute ahead', 2 * MINUTE_MS, 'warning clock', /2m ahead of/],
    ['a day behind', -DAY_MS, 'warning clock', /1d behind/],
    ['more than a day behind', -365 * DAY_MS, 'error clock', /365d behind.*signatures/],
    ['more than a day ahead', DAY_MS + 1_000, 'error clock', /1d1s ahead.*signatures/],
  ])('judges a clock that is off by %s', (_, clockAheadMs, expected, message) => {
    const [finding] = findings({ clockAheadMs });
    if (expected === null) expect(finding?.check).toBe('ready');
    else {
      expect(`${finding?.severity} ${finding?.check}`).toBe(expected);
      expect(finding?.message).toMatch(message);
      expect(finding?.remedy).toContain('timedatectl');
    }
  });

  it('counts held packages and not those kept back by design', () => {
    const keptBack = [
      { name: 'nginx', reason: 'held' },
      { name: 'kubelet', reason: 'kubernetes' },
      { name: 'systemd', reason: 'phased' },
    ];
    const [finding, ...rest] = findings({ plan: { ...patchPlan('a'), keptBack } });
    expect(rest).toEqual([]);
    expect(finding).toMatchObject({ severity: 'warning', check: 'held-packages' });
    expect(finding?.message).toBe('1 package has an update and is held, so not patched (nginx)');
    expect(finding?.remedy).toContain('apt-mark unhold');
  });

  it('warns that no run reboots the node when the policy forbids reboots', () => {
    const facts = nodeFacts({ reboot: { required: true, reasons: [] } });
    expect(findings({ facts }, { rebootIfRequired: false })[0]?.message).toMatch(/rebootIfRequired is false/);
  });

  it('ignores an interruptible agent and a degraded system state caused by a failed unit', () => {
    const facts = nodeFacts({ kubernetesAgents: ['k3s'], systemState: 'degraded' });
    expect(findings({ facts }, { withoutDrain: true }).map(({ check }) => check)).toEqual(['ready']);
  });

  it.each<[ErrorInfo['type'], string]>([
    ['Unreachable', 'reachable'],
    ['HostKeyMismatch', 'host-key'],
    ['AuthFailed', 'login'],
    ['IdentityUnavailable', 'login'],
    ['SudoDenied', 'sudo'],
    ['HelperMissing', 'helper'],
    ['HelperProtocol', 'helper'],
    ['UnsupportedOs', 'os'],
    ['Policy', 'packages'],
    ['Repository', 'packages'],
    ['DiskFull', 'disk'],
    ['Internal', 'other'],
  ])('reports %s under %s, with message and remedy', (type, check) => {
    const error = { type, message: 'what happened', remedy: 'what to do' };
    expect(findings({ facts: null, plan: null, error })).toEqual([
      { severity: 'error', check, message: 'what happened', remedy: 'what to do' },
    ]);
    expect(failedInspection('w-1', error)).toMatchObject({ verdict: 'error', os: null, pending: null });
  });

  it('keeps the findings of the facts when an error ended the inspection later', () => {
    const error = { type: 'UnsupportedOs', message: 'w-1 runs X' } as const;
    const facts = nodeFacts({ failedUnits: ['a.service'] });
    expect(findings({ facts, plan: null, error }).map(({ check }) => check)).toEqual(['os', 'units']);
  });

  it('reports a reboot owner that the spec ignores with its reason, and any other as an error', () => {
    const facts = nodeFacts({ rebootOwners: ['rebootmgr', 'kured'] });
    const rebootOwners = { ignore: [{ name: 'kured' as const, reason: 'holds its lock on Mondays' }] };
    const found = toInspection('w-1', observed({ facts }), { ...POLICY, rebootOwners }).findings;
    expect(found.filter(({ check }) => check === 'reboot-owners')).toMatchObject([
      { severity: 'error', message: expect.stringContaining('w-1 is also rebooted by rebootmgr;') },
      { severity: 'ok', message: expect.stringMatching(/^kured .*ignores it: holds its lock on Mondays$/) },
    ]);
  });

  it('reports a damaged package database once, since a run repairs such damage', () => {
    const error = { type: 'PackagesBroken', message: 'x' } as const;
    const inspected = toInspection(
      'w-1',
      observed({ facts: nodeFacts({ packages: PACKAGES }), plan: null, error }),
      POLICY,
    );
    expect(inspected).toMatchObject({ verdict: 'warning', pending: null });
    expect(findings({ plan: null, error })[0]).toMatchObject({ severity: 'error', check: 'packages' });
  });

  it.each([
    'dpkg cannot read its database: /var/lib/dpkg/status names no package',
    '/var/lib/dpkg/status does not name 9 packages whose files are installed',
  ])('reports an error for a database that no run repairs: %s', (problem) => {
    const facts = nodeFacts({ packages: { ...PACKAGES, problems: [problem] } });
    const error = { type: 'PackagesBroken', message: 'x', remedy: 'copy it' } as const;
    const withError = findings({ facts, plan: null, error }).filter(({ severity }) => severity === 'error');
    expect(withError).toMatchObject([{ message: 'x', remedy: 'copy it' }]);
    expect(findings({ facts })[0]).toMatchObject({
      severity: 'error',
      message: expect.stringMatching(/a run cannot repair that$/),
    });
  });

  it('reports no answer as an error and slow packages as a warning', () => {
    expect(findings({ facts: null, plan: null, timedOutMs: 30_000 })[0]).toMatchObject({
      severity: 'error',
      check: 'reachable',
      message: 'w-1 did not answer within 30s',
    });
    expect(findings({ plan: null, timedOutMs: 30_000 })[0]).toMatchObject({ severity: 'warning', check: 'packages' });
  });

  it('reports the installed helper also beside an error', () => {
    const helperPlaced = '/usr/local/libexec/ospatch-node-x';
    expect(findings({ helperPlaced }).map(({ check }) => check)).toEqual(['ready', 'helper']);
    const facts = nodeFacts({ rebootOwners: ['kured'], failedUnits: ['a.service'] });
    expect(findings({ helperPlaced, facts }).map(({ severity }) => severity)).toEqual(['error', 'warning', 'ok']);
  });

  it('truncates a plan of thousands of packages, and counts all of them', () => {
    const names = Array.from({ length: 1_000 }, (_, at) => `p${at}`);
    const inspected = toInspection('w-1', observed({ plan: patchPlan(...names) }), POLICY);
    expect(inspected.pending).toBe(1_000);
    expect(inspected.plan?.changes).toHaveLength(300);
  });

  it('counts items beyond the first, and strips control characters', () => {
    const failedUnits = Array.from({ length: 100 }, (_, at) => `u${at}\u001b[2J`);
    const [finding] = findings({ facts: nodeFacts({ failedUnits }) });
    expect(finding?.message).toContain('and 95 more');
    expect(finding?.message).not.toContain('\u001b');
    const [long] = findings({ error: { type: 'Policy', message: 'x'.repeat(10_000) } });
    expect(long?.message.length).toBeLessThanOrEqual(600);
  });
});
