import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import type { NodeFacts } from '../../../src/domain/node/report';
import type { Phase } from '../../../src/node/job/id';
import { apt } from '../../../src/node/package-managers/apt';

const dir = path.join(__dirname, 'apt');

interface PlanCase {
  claim: string;
  os: NodeFacts['os'];
  result: string[];
  expected: object;
}

interface FailureCase {
  phase: Phase;
  rc: number;
  log: string[];
  /** Without `message`, only the format is checked. */
  expected: { type: string; message?: string };
}

/** Captured output, one file per case; `from` names the origin of the capture. */
function cases<T>(prefix: string): [string, T][] {
  return readdirSync(dir)
    .filter((file) => file.startsWith(prefix))
    .map((file) => [file, JSON.parse(readFileSync(path.join(dir, file), 'utf8')) as T]);
}

describe('src/node/package-managers/apt', () => {
  describe('parsePlan', () => {
    it.each(cases<PlanCase>('plan-').map(([file, value]) => ({ file, ...value })))('$claim ($file)', (plan) => {
      expect(apt.parsePlan(plan.result.join('\n'), plan.os)).toMatchObject(plan.expected);
    });

    it('counts security fixes only where a package source is a security archive', () => {
      const os = { id: 'debian', versionId: '12', codename: 'bookworm', prettyName: '' };
      const main = 'archive|Debian|Debian|12|oldstable|bookworm';
      const security = 'archive|Debian-Security|Debian|12|oldstable-security|bookworm-security';
      const inst = 'out Inst vim [1] (2 Debian:12.1/oldstable [amd64])';
      const plan = (...archives: string[]) => apt.parsePlan([...archives, inst].join('\n'), os).plan;
      expect(plan(main, security)).toMatchObject({ security: 0 });
      expect(plan(main)).not.toHaveProperty('security');
      const fix = 'out Inst ssh [1] (2 Debian-Security:12/oldstable-security [amd64])';
      expect(plan(main, security, fix)).toMatchObject({ security: 1 });
    });

    it('rejects a plan without a digest', () => {
      const os = { id: 'debian', versionId: '12', codename: '', prettyName: '' };
      expect(apt.parsePlan('out nothing to do', os).unparsed).toEqual(['digest ']);
    });
  });

  describe('parseReport', () => {
    it('joins old and new versions to one change per package and architecture', () => {
      const result = [
        '- libc6 amd64 2.36-1',
        '- libc6 i386 2.36-1',
        '+ libc6 amd64 2.36-2',
        '+ libc6 i386 2.36-2',
        '+ linux-image-6.1.0-40-amd64 amd64 6.1.153-1',
        '- oldstuff all 1',
        'conffile /etc/ssh/sshd_config.dpkg-dist',
        'problem lab is not fully installed (iF )',
        '',
      ].join('\n');
      expect(apt.parseReport(result)).toEqual({
        changes: [
          { name: 'libc6', arch: 'amd64', from: '2.36-1', to: '2.36-2' },
          { name: 'libc6', arch: 'i386', from: '2.36-1', to: '2.36-2' },
          { name: 'linux-image-6.1.0-40-amd64', arch: 'amd64', from: null, to: '6.1.153-1' },
          { name: 'oldstuff', arch: 'all', from: '1', to: null },
        ],
        keptConfigFiles: ['/etc/ssh/sshd_config.dpkg-dist'],
        problems: ['lab is not fully installed (iF )'],
        warnings: [],
      });
    });
  });

  describe('readProgress', () => {
    it.each([
      ['Setting up libssl3:amd64 (3.0.22-1~deb12u2) ...', { event: 'package-finished' }],
      ['Unpacking openssl (3.0.22-1~deb12u2) over (3.0.20-1~deb12u2) ...', { event: 'package-started' }],
      [
        'Waiting for cache lock: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 6645 (perl)...',
        { event: 'lock-held', by: 'perl (pid 6645)' },
      ],
      ['Processing triggers for libc-bin (2.36-9+deb12u14) ...', null],
    ])('reads %j', (line, expected) => {
      expect(apt.readProgress(line)).toEqual(expected);
    });
  });

  describe('classify', () => {
    it.each(cases<FailureCase>('failure-'))('finds the real failure in %s by its text', (_file, failure) => {
      const info = apt.classify({ node: 'w-1', phase: failure.phase, rc: failure.rc, log: failure.log.join('\n') });
      expect(info).toMatchObject({ ...failure.expected, details: { rc: failure.rc, phase: failure.phase } });
      expect(info.message).toMatch(new RegExp(`^${failure.phase} failed on w-1: .*[^.]$`));
    });

    it('names unauthenticated packages', () => {
      const log =
        'WARNING: The following packages cannot be authenticated!\n  curl wget\nE: There were unauthenticated packages and -y was used without --allow-unauthenticated';
      expect(apt.classify({ node: 'w-1', phase: 'apply', rc: 100, log })).toMatchObject({
        type: 'DecisionRequired',
        message: expect.stringContaining('curl, wget'),
      });
    });

    it("reports the code of an unknown failure, and of the helper's own codes", () => {
      const type = (rc: number) => apt.classify({ node: 'w-1', phase: 'apply', rc, log: '' }).type;
      expect([type(137), type(91), type(73)]).toEqual(['PackageManager', 'PackagesBroken', 'DiskFull']);
    });

    it('includes at most the last 8 KiB of the log, without credentials', () => {
      const log = `${'x'.repeat(100)}\n`.repeat(500) + 'Err https://me:secret@mirror/ 404';
      const { details } = apt.classify({ node: 'w-1', phase: 'apply', rc: 100, log });
      const tail = String(details?.['tail']);
      expect(tail.length).toBeLessThanOrEqual(8192);
      expect(tail.endsWith('Err https://[redacted]@mirror/ 404')).toBe(true);
    });
  });
});
