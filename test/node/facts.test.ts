import { readFileSync } from 'node:fs';
import path from 'node:path';
import { parseFacts } from '../../src/node/facts';

const captured = readFileSync(path.join(__dirname, 'data/facts-debian-12.txt'), 'utf8').replace(
  /^ospatch 1 facts\n/,
  '',
);

/** The captured facts with additional lines. */
function withLines(...lines: string[]) {
  return parseFacts(1, `${lines.join('\n')}\n${captured}`)?.facts;
}

describe('src/node/facts', () => {
  it('reads the facts of a real Debian node', () => {
    expect(parseFacts(1, captured)).toMatchObject({
      facts: {
        os: { id: 'debian', versionId: '12', codename: 'bookworm', prettyName: 'Debian GNU/Linux 12 (bookworm)' },
        osVersion: 'Debian GNU/Linux 12.15',
        kernelNewest: null,
        container: 'systemd-nspawn',
        reboot: { required: false, reasons: [] },
        packages: { count: 134, digest: 'sha256:86918bb3f72102a7', problems: [] },
        lockHolder: null,
        job: null,
        diskFreeMiB: { root: 76460, var: 76460, boot: 76460 },
        systemState: 'running',
        failedUnits: [],
      },
      imageBased: null,
      systemd: true,
    });
  });

  it('recognises that failed units were not listed in time', () => {
    expect(withLines('slow_part=systemctl list-units (no answer within 10 s)')?.unitsUnknown).toBe(true);
    expect(withLines('slow_part=df (no answer within 2 s)')).not.toHaveProperty('unitsUnknown');
  });

  it('reads the point release of Ubuntu from PRETTY_NAME, where debian_version has another meaning', () => {
    const text =
      'os_id=ubuntu\nos_version_id=22.04\nos_pretty_name=Ubuntu 22.04.5 LTS\ndebian_version=bookworm/sid\nend\n';
    expect(parseFacts(1, text)?.facts.osVersion).toBe('Ubuntu 22.04.5 LTS');
  });

  it('keeps PRETTY_NAME where Debian has no point release', () => {
    const text = 'os_id=debian\nos_pretty_name=Debian GNU/Linux trixie/sid\ndebian_version=trixie/sid\nend\n';
    expect(parseFacts(1, text)?.facts.osVersion).toBe('Debian GNU/Linux trixie/sid');
  });

  it("warns of a release past its end of life, by the node's own date and by the published dates", () => {
    const now = Date.parse('2027-01-01T00:00:00Z');
    const warned = (...lines: string[]) =>
      parseFacts(1, `${lines.join('\n')}\nend\n`, now)?.facts.warnings.map(
        ({ kind, message }) => `${kind}: ${message}`,
      );
    const fedora = ['os_id=fedora', 'os_version_id=41', 'os_pretty_name=Fedora Linux 41', 'support_end=2025-12-15'];
    expect(warned(...fedora)).toEqual([
      expect.stringMatching(/^end-of-life: Fedora Linux 41 reached .* on 2025-12-15 \(as reported by the node\): /),
    ]);
    const focal = ['os_id=ubuntu', 'os_version_id=20.04', 'os_pretty_name=Ubuntu 20.04.6 LTS'];
    expect(warned(...focal)).toEqual([
      expect.stringContaining('Ubuntu 20.04.6 LTS reached its end of life on 2025-05-29'),
    ]);
    expect(warned(...focal, 'extended_support=pro')).toEqual([]);
    expect(parseFacts(1, captured, now)?.facts.warnings).toEqual([]);
  });

  it('names processes with replaced code, and warns of them', () => {
    const facts = withLines(
      'outdated_service=a.service',
      'outdated_service=b.service',
      'outdated_blocker=b.service left 7 8 x',
      'outdated_blocker=a.service what-a-newer-helper-says',
      'outdated_user_service=web.service of alice',
      'outdated_session=alice (session 3)',
      'outdated_unknown=needrestart',
    );
    expect(facts?.outdated).toEqual({
      services: ['a.service', 'b.service'],
      userServices: ['web.service of alice'],
      sessions: ['alice (session 3)'],
      containers: [],
      processes: [],
      blockers: [{ service: 'b.service', blocker: 'left', pids: [7, 8] }],
    });
    expect(facts?.warnings.map(({ kind }) => kind)).toEqual([
      'facts-incomplete',
      ...Array.from({ length: 4 }, () => 'restart-pending'),
    ]);
  });

  it('collects repeated fields, and reasons without duplicates', () => {
    expect(
      withLines(
        'reboot_reason=package libc6',
        'reboot_reason=package libc6',
        'failed_unit=a.service',
        'failed_unit=b.service',
        'package_problem=dpkg was interrupted',
      ),
    ).toMatchObject({
      reboot: { required: true, reasons: ['package libc6'] },
      failedUnits: ['a.service', 'b.service'],
      packages: { problems: ['dpkg was interrupted'] },
    });
  });

  it('reports an interrupted transaction only when no job is running', () => {
    expect(withLines('package_interrupted=lab-a 2-1.noarch')?.packages.problems).toEqual(['lab-a 2-1.noarch']);
    expect(withLines('package_interrupted=lab-a 2-1.noarch', 'job=x-apply-1')?.packages.problems).toEqual([]);
  });

  it('reports a running updater as lock holder when the lock is free at the moment', () => {
    expect(withLines('updater_running=apt-daily-upgrade.service')?.lockHolder).toBe('apt-daily-upgrade.service');
    expect(withLines('updater_running=x', 'lock_holder=apt-get (pid 8)')?.lockHolder).toBe('apt-get (pid 8)');
  });

  it('reads the patch version of Alpine from the release number', () => {
    const alpine = ['os_id=alpine', 'os_version_id=3.20.3', 'os_pretty_name=Alpine Linux v3.20'];
    const text = captured.replace(/^os_.*\n/gm, '');
    expect(parseFacts(1, `${alpine.join('\n')}\n${text}`)?.facts.osVersion).toBe('Alpine Linux 3.20.3');
  });

  it('strips control characters and caps text from the node', () => {
    const facts = withLines(
      `failed_unit=\u001b[2Jevil${'x'.repeat(1000)}`,
      ...Array.from({ length: 500 }, () => 'reboot_owner=x'),
    );
    expect(facts?.failedUnits[0]).toMatch(/^\[2Jevilx+…$/);
    expect(facts?.failedUnits[0]?.length).toBe(300);
    expect(facts?.rebootOwners.length).toBe(100);
  });

  it('rejects a truncated answer', () => {
    expect(parseFacts(1, captured.slice(0, -5))).toBeNull();
    expect(parseFacts(1, '')).toBeNull();
  });
});
