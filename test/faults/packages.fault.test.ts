/** Broken packages and repositories: how far the node came, and the message for the user. */
import '../support/slow-suite';
import { fault } from './fault';
import { sh } from '../support/sh';
import { SMALL_NODE, install, pendingUpdate, write } from './node-tools';
import { useRepository, webRepository } from './repository';

const small = { node: SMALL_NODE } as const;

const UNTOUCHED = { state: 'failed', transactions: 0, reboots: 0 } as const;

/** A year, in milliseconds. */
const YEAR_MS = 365 * 24 * 3600 * 1000;

function releaseTime(at: number): string {
  return new Date(at).toUTCString().replace('GMT', 'UTC');
}

describe('faults/packages', () => {
  fault('packages', 'the postinst of a package fails', { ...small, quick: true }, async (scenario, check) => {
    await pendingUpdate(scenario.node, 'lab-bad', { postinst: 'echo "no database server"; exit 1' });
    await scenario.patch();
    await check({
      state: 'failed',
      // The second is the attempted repair.
      transactions: 2,
      reboots: 0,
      sentence:
        /^repair failed on w-1: a package could not be installed \(no database server; dpkg: error processing package lab-bad .*\); 2 packages were changed$/,
      configuredTwice: ['lab-bad'],
      left: ['package lab-bad'],
    });
  });

  fault('packages', 'a configuration file was changed by hand', small, async (scenario, check) => {
    const file = '/etc/lab.conf';
    await pendingUpdate(
      scenario.node,
      'lab-conf',
      { files: { [file]: 'theirs 2\n' } },
      { files: { [file]: 'theirs\n' } },
    );
    write(scenario.node, file, 'ours\n');
    await scenario.patch();
    await check({ state: 'patched', transactions: 1, reboots: 0 });
    expect(scenario.node.readFile(file)).toBe('ours\n');
    const { stdout } = await scenario.cli('history', scenario.cluster, '--run', '1');
    expect(stdout).toContain(`${file}.dpkg-dist`);
  });

  fault('packages', 'an update depends on a package that does not exist', small, async (scenario, check) => {
    await pendingUpdate(scenario.node, 'lab-dep', { fields: { Depends: 'lab-missing' } });
    await scenario.patch();
    await check({ state: 'patched', transactions: 1, reboots: 0 });
    const { stdout } = await scenario.cli('history', scenario.cluster, '--run', '1');
    expect(stdout).toContain('lab-dep');
  });

  fault('packages', 'an installed package lacks a dependency', small, async (scenario, check) => {
    await install(scenario.node, { name: 'lab-base', version: '1.0' });
    await install(scenario.node, { name: 'lab-dep', version: '1.0', fields: { Depends: 'lab-base' } });
    await sh(scenario.node, 'dpkg --force-depends -r lab-base');
    await scenario.patch();
    await check({
      ...UNTOUCHED,
      sentence: /^plan failed on w-1: the package database is not consistent \(.*\); nothing was changed$/,
      left: ['lock apt'],
    });
  });

  fault('packages', 'the mirror is down', small, async (scenario, check) => {
    useRepository(scenario.node, 1);
    await scenario.patch();
    await check({
      ...UNTOUCHED,
      sentence:
        /^plan failed on w-1: the package repositories cannot be read \(.*127\.0\.0\.1.*\); nothing was changed$/,
    });
  });

  fault('packages', 'a package does not match its hash in the repository', small, async (scenario, check) => {
    const repository = await webRepository(scenario.node);
    repository.answers.set('lab-small_1.1_all.deb', (content) => {
      const other = Buffer.from(content);
      other[other.length - 20] = (other[other.length - 20] ?? 0) ^ 1;
      return other;
    });
    try {
      await scenario.patch();
      await check({
        ...UNTOUCHED,
        sentence:
          /^apply failed on w-1: the package repositories cannot be read \(.*Hash Sum mismatch.*\); nothing was changed$/,
      });
    } finally {
      await repository.close();
    }
  });

  fault('packages', 'a package has disappeared from the repository', small, async (scenario, check) => {
    const repository = await webRepository(scenario.node);
    repository.answers.set('lab-small_1.1_all.deb', () => null);
    try {
      await scenario.patch();
      await check({
        ...UNTOUCHED,
        sentence: /^apply failed on w-1: the package repositories cannot be read \(.*404.*\); nothing was changed$/,
      });
    } finally {
      await repository.close();
    }
  });

  fault(
    'packages',
    'a package was replaced by a newer one after the plan',
    { ...small, quick: true },
    async (scenario, check) => {
      const repository = await webRepository(scenario.node);
      let offered: Promise<void> | undefined;
      repository.answers.set('lab-small_1.1_all.deb', () => {
        offered ??= scenario.node.offer({ name: 'lab-small', version: '1.2' });
        return null;
      });
      try {
        await scenario.patch();
        await check({ state: 'patched', transactions: 1, reboots: 0 });
      } finally {
        await repository.close();
      }
    },
  );

  fault('packages', 'the signature of the repository has expired', small, async (scenario, check) => {
    const repository = await webRepository(scenario.node);
    repository.answers.set('Release', (content) =>
      Buffer.from(content.toString().replace(/^Date:/m, `Valid-Until: ${releaseTime(Date.now() - YEAR_MS)}\nDate:`)),
    );
    try {
      await scenario.patch();
      await check({
        ...UNTOUCHED,
        sentence:
          /^plan failed on w-1: the package repositories cannot be read \(Release file .* is expired.*\); nothing was changed$/,
      });
    } finally {
      await repository.close();
    }
  });

  // Containers cannot have a clock of their own: this is apt's message on a node whose clock is a year behind.
  fault(
    'node',
    'the repository was made a year after what the clock of the node says',
    small,
    async (scenario, check) => {
      const repository = await webRepository(scenario.node);
      repository.answers.set('Release', (content) =>
        Buffer.from(content.toString().replace(/^Date:.*$/m, `Date: ${releaseTime(Date.now() + YEAR_MS)}`)),
      );
      try {
        await scenario.patch();
        await check({
          ...UNTOUCHED,
          sentence:
            /^plan failed on w-1: package lists, their signature or a certificate are not valid yet, so the clock of the node or of the mirror is wrong \(Release file .* is not valid yet.*\); nothing was changed$/,
        });
      } finally {
        await repository.close();
      }
    },
  );

  fault('packages', 'the repository is not signed', small, async (scenario, check) => {
    const repository = await webRepository(scenario.node, '');
    try {
      await scenario.patch();
      await check({
        ...UNTOUCHED,
        sentence:
          /^plan failed on w-1: a repository or package is not signed by a trusted key \(.*not signed.*\); nothing was changed$/,
      });
    } finally {
      await repository.close();
    }
  });
});
