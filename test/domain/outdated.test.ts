import type { OutdatedCode } from '../../src/domain/outdated';
import { describeOutdated, outcomeWithOutdated, outdatedWarning, runsOutdated } from '../../src/domain/outdated';

const outdated = (more: Partial<OutdatedCode>): OutdatedCode => ({
  services: [],
  sessions: [],
  containers: [],
  processes: [],
  ...more,
});

describe('src/domain/outdated', () => {
  it('names what runs replaced code, by kind', () => {
    const all = outdated({ services: ['a.service', 'b.service'], sessions: ['alice (session 3)'], processes: ['top'] });
    expect(describeOutdated(all)).toBe(
      '2 services (a.service, b.service), 1 login (alice (session 3)) and 1 process (top)',
    );
    expect(outdatedWarning(all)).toEqual({
      kind: 'restart-pending',
      message: `${describeOutdated(all)} still run code that was replaced on disk.`,
      remedy: '`systemctl restart a.service b.service` on the node, patching.restartServices, or a reboot',
    });
  });

  it('counts what it does not name, and does not pretend to have counted what the node has left out', () => {
    const many = (length: number) => outdated({ services: Array.from({ length }, (_, at) => `s${at}.service`) });
    expect(describeOutdated(many(10))).toMatch(/^10 services \(s0\.service, .* and 2 more\)$/);
    expect(describeOutdated(many(100))).toMatch(/^100 or more services /);
  });

  it('does not offer to restart the first process as a service', () => {
    const remedy = outdatedWarning(outdated({ services: ['systemd-manager'] }))?.remedy;
    expect(remedy).toBe('`systemctl daemon-reexec` on the node, patching.restartServices, or a reboot');
  });

  it('quotes names that a shell would change', () => {
    const remedy = outdatedWarning(outdated({ services: ['a\\x2db.service'] }))?.remedy;
    expect(remedy).toContain("systemctl restart 'a\\x2db.service'");
  });

  it.each([
    ['patched', 'restart-pending'],
    ['up-to-date', 'restart-pending'],
    ['reboot-pending', 'reboot-pending'],
  ])('makes of %s %s', (outcome, expected) => {
    expect(outcomeWithOutdated(outcome, { outdated: outdated({ sessions: ['bob (session 1)'] }) })).toBe(expected);
    expect(outcomeWithOutdated(outcome, { outdated: outdated({}) })).toBe(outcome);
  });

  it('takes the silence of an older helper for no', () => {
    expect(runsOutdated({})).toBe(false);
  });
});
