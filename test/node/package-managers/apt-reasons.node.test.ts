import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { LabNode } from '../../../tools/lab/lab-node';
import type { LabPackage } from '../../../tools/lab/packages';
import { buildDeb, indexRepository } from '../../../tools/lab/packages';
import { sh } from '../../support/sh';
import type { ActivityRunner } from '../support';
import { useLab, ask, targetOf, token, until } from '../support';

const LIMIT_MS = 60_000;
const FIELD_DIR = '/var/lib/lab/field';
const HOOK = '/etc/apt/apt.conf.d/90hook';

jest.setTimeout(240_000);

/** What blocks apt on a real Debian, and the resulting messages. */
describe('src/node/package-managers/apt: reasons, decisions and locks on a real node', () => {
  let activities: ActivityRunner;
  let node: LabNode;
  let versions = 1;

  const from: LabPackage = { name: 'lab-x', version: '1' };
  useLab([{ name: 'reasons', updates: 'none', labUpdates: [{ from, to: from }] }], (started) => {
    ({ node, activities } = started);
  });

  /** Publishes a new version of lab-x. */
  async function offer(fields: Partial<LabPackage> = {}): Promise<void> {
    versions += 1;
    await node.offer({ name: 'lab-x', version: `${versions}`, ...fields });
  }

  async function preflight(lockTimeoutMs = LIMIT_MS) {
    const input = { target: targetOf(node), token: token(), attempt: 1, lockTimeoutMs };
    const { plan } = await activities.run('preflight', {
      ...input,
      withoutDrain: true,
      unreachableTimeoutMs: LIMIT_MS,
    });
    const more = { ...input, packageManager: 'apt', lostTimeoutMs: LIMIT_MS };
    const planned = { planDigest: plan.digest, planned: plan.changes.length };
    return { plan, apply: () => activities.run('apply', { ...more, ...planned }) };
  }

  async function repository(label: string): Promise<void> {
    const dir = path.join(node.rootDir, FIELD_DIR);
    mkdirSync(dir, { recursive: true });
    await buildDeb(dir, { name: 'lab-field', version: '1' });
    await indexRepository(dir, ['Origin: Lab', `Label: ${label}`, 'Suite: stable', 'Codename: stable']);
    const line = `deb [trusted=yes] file:${FIELD_DIR} ./\n`;
    writeFileSync(path.join(node.rootDir, 'etc/apt/sources.list.d/field.list'), line);
  }

  const plans = (): Promise<string> => ask(node, 'ls /var/lib/ospatch/runs | grep -c plan');
  const installed = (): Promise<string> => ask(node, "dpkg-query -W -f='${Version} ${db:Status-Status}' lab-x");

  /** Holds a lock on the node until the returned function is called. */
  async function hold(program: string): Promise<() => Promise<void>> {
    await sh(node, `setsid ${program} </dev/null >/dev/null 2>&1 & echo $! >/root/lock.pid`);
    await until(
      'the lock',
      async () => (await ask(node, 'grep -c lock: /proc/$(cat /root/lock.pid)/fdinfo/* | grep -c :1')) !== '0',
    );
    return async () => {
      await sh(node, 'kill -- -$(cat /root/lock.pid) 2>/dev/null || kill $(cat /root/lock.pid); rm /root/lock.pid');
    };
  }

  const debconfLock = 'flock -x /var/cache/debconf/config.dat sleep 600';
  const passwdLock =
    'perl -e \'open(F,">>","/etc/.pwd.lock"); $l=pack("s s x4 q q i x4",1,0,0,0,0); fcntl(F,6,$l) or die; sleep 600\'';

  it('requires a decision, once, when a repository changes its Origin or Label', async () => {
    await repository('Lab PPA');
    await preflight();
    await repository('Lab moved');
    const before = Number(await plans());
    await expect(preflight()).rejects.toMatchObject({
      type: 'DecisionRequired',
      message: expect.stringMatching(/changed its 'Label' value from 'Lab PPA' to 'Lab moved'/),
      details: [{ remedy: expect.stringContaining('apt-get update --allow-releaseinfo-change') }],
    });
    expect(Number(await plans())).toBe(before + 1);
    await sh(node, 'rm /etc/apt/sources.list.d/field.list');
  });

  it('continues with a warning when only a hook after a successful update of the lists failed', async () => {
    await sh(node, `echo 'APT::Update::Post-Invoke-Success {"false";};' >${HOOK}`);
    await offer();
    const { plan } = await preflight();
    expect(plan).toMatchObject({
      changes: [{ name: 'lab-x' }],
      warnings: [{ kind: 'update-hook', message: expect.stringContaining("Post-Invoke-Success 'false'") }],
    });
  });

  it('reports the reason of a rejecting hook, and changes nothing', async () => {
    await sh(node, `echo 'DPkg::Pre-Invoke {"echo /etc has uncommitted changes; false";};' >${HOOK}`);
    await offer();
    const before = await installed();
    const { apply } = await preflight();
    expect(await apply()).toMatchObject({
      result: {
        changes: [],
        error: { type: 'PackageManager', message: expect.stringContaining('(/etc has uncommitted changes; Problem') },
      },
    });
    expect(await installed()).toBe(before);
  });

  it('treats packages as installed when only a final hook failed, with a warning', async () => {
    await sh(node, `echo 'DPkg::Post-Invoke {"echo cannot rebuild the cache; false";};' >${HOOK}`);
    const { apply } = await preflight();
    expect(await apply()).toMatchObject({
      result: { error: null, changes: [{ name: 'lab-x' }], warnings: [{ kind: 'update-hook' }] },
    });
    expect(await installed()).toBe(`${versions} installed`);
    await sh(node, `rm ${HOOK}`);
  });

  it('waits for the debconf database before unpacking, and fails naming the holder', async () => {
    await offer({ postinst: '. /usr/share/debconf/confmodule; db_version 2.0' });
    const release = await hold(debconfLock);
    await expect(preflight(1_000)).rejects.toMatchObject({
      type: 'Busy',
      message: expect.stringMatching(/^the debconf lock of reasons has been held by flock \(pid \d+\) for 1s$/),
    });
    await release();
    const { apply } = await preflight();
    const releaseAgain = await hold(debconfLock);
    const applied = apply();
    await until('the wait', () =>
      Promise.resolve(
        activities.heartbeats.some(({ waitingFor }) =>
          /^debconf lock held by flock \(pid \d+\)$/.test(waitingFor ?? ''),
        ),
      ),
    );
    expect(await installed()).toBe(`${versions - 1} installed`);
    await releaseAgain();
    expect(await applied).toMatchObject({ result: { error: null } });
    expect(await installed()).toBe(`${versions} installed`);
  });

  it('fails on a lock of the user database after the timeout, before any change', async () => {
    await offer({ postinst: 'groupadd -f -r lab-group' });
    const { apply } = await preflight(2_000);
    const release = await hold(passwdLock);
    expect(await apply()).toMatchObject({
      result: {
        changes: [],
        error: {
          type: 'Busy',
          message: expect.stringMatching(/\/etc\/\.pwd\.lock was held by perl \(pid \d+\)/),
        },
      },
    });
    expect(await installed()).toBe(`${versions - 1} installed`);
    await release();
    expect(await (await preflight()).apply()).toMatchObject({ result: { error: null } });
  });

  it('names the file system without free inodes', async () => {
    await sh(node, 'mkdir -p /opt/lab && mount -t tmpfs -o size=20m,nr_inodes=60 tmpfs /opt/lab');
    const files = Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`/opt/lab/${index}`, 'x']));
    await offer({ files });
    const { apply } = await preflight();
    expect(await apply()).toMatchObject({
      result: {
        error: {
          type: 'DiskFull',
          message: expect.stringMatching(/(?:no inodes are left on|: \/opt\/lab has too few inodes)/),
        },
      },
    });
    await sh(node, 'umount /opt/lab; dpkg --configure -a; apt-get -y -f install');
  });

  it("shows the last output of a maintainer script before dpkg's own", async () => {
    await offer({ postinst: 'echo connecting\necho cannot reach the license server >&2\nexit 3' });
    const { apply } = await preflight();
    expect(await apply()).toMatchObject({
      result: {
        error: {
          type: 'PackagesBroken',
          message: expect.stringContaining('(connecting; cannot reach the license server; dpkg: error processing'),
        },
      },
    });
  });
});
