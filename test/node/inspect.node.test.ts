/** What is left on a node by an inspection that is to leave nothing. */
import type { LabNode } from '../../tools/lab/lab-node';
import { helperScript } from '../../src/node/helper/script';
import type { ActivityRunner } from './support';
import { ask, inspectInput, targetOf, useLab } from './support';
import { traces } from '../support/traces';

jest.setTimeout(240_000);

describe('an inspection that changes nothing, on a real node', () => {
  let activities: ActivityRunner;
  let node: LabNode;

  useLab([{ name: 'traces', updates: 'few' }], (started) => {
    ({ node, activities } = started);
  });

  async function inspected(user = 'root') {
    // A first login creates files of its own, such as those of a session.
    await ask(node, 'true');
    const before = await traces(node);
    const inspection = await activities.run(
      'inspectNode',
      inspectInput(targetOf(node, { user }), { changeNothing: true }),
    );
    return { inspection, before, after: await traces(node) };
  }

  it('leaves no file, no log line and no newer cache, on a node that never had the helper', async () => {
    const { inspection, before, after } = await inspected();
    expect(inspection).toMatchObject({ error: null, verdict: 'ok' });
    expect(inspection.plan?.changes.length).toBeGreaterThan(0);
    expect(inspection.plan?.listsAgeMs).toBeGreaterThanOrEqual(0);
    expect(before).not.toContain('ospatch-node');
    expect(after).toBe(before);
  });

  it('leaves the caches of apt as they are when they are outdated', async () => {
    await ask(node, 'touch /var/lib/dpkg/status /etc/apt/sources.list && rm -f /var/cache/apt/srcpkgcache.bin');
    const { inspection, before, after } = await inspected();
    expect(inspection.plan?.changes.length).toBeGreaterThan(0);
    expect(after).toBe(before);
    expect(await ask(node, 'apt-get -s dist-upgrade >/dev/null; ls /var/cache/apt')).toContain('pkgcache.bin');
  });

  it('uses the helper that is there, and finds what a run would find', async () => {
    const whole = await activities.run('inspectNode', inspectInput(targetOf(node)));
    expect(await ask(node, `ls ${helperScript().path}`)).toBe(helperScript().path);
    const { inspection, before, after } = await inspected();
    expect(after).toBe(before);
    expect(inspection.plan?.digest).toBe(whole.plan?.digest);
  });
});
