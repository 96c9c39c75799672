import {
  CALL_TIMEOUT_MS,
  INSPECTION_FACTS_MS,
  INSPECTION_MS,
  INSPECTION_PLAN_MS,
  INSPECTION_RETRIES_MS,
  FACTS_TIMEOUT_MS,
  JOB_TIMEOUT_MS,
  PROBE_TIMEOUT_MS,
  SYSTEMD_TIMEOUT_MS,
} from '../../../src/domain/node/time-limits';
import { helperScript } from '../../../src/node/helper/script';

/** A limit at the top of the helper, in milliseconds. */
function onNode(name: string): number {
  const seconds = new RegExp(`^${name}=(\\d+)`, 'm').exec(helperScript().content.toString())?.[1];
  if (seconds === undefined) throw new Error(`the helper has no limit ${name}`);
  return Number(seconds) * 1000;
}

/** A command that ignores SIGTERM has a second more, and the answer needs time to arrive. */
const ON_THE_WAY_MS = 2_000;

describe('src/domain/node/time-limits', () => {
  it.each([
    ['systemd_limit', 'probe_limit'],
    ['probe_limit', 'facts_limit'],
    ['start_limit', 'facts_limit'],
    ['facts_limit', 'pending_limit'],
  ])('%s on the node is shorter than %s', (inner, outer) => {
    expect(onNode(inner)).toBeLessThan(onNode(outer));
  });

  it('no part of the facts may take as long as all of them', () => {
    const limits = [
      ...helperScript()
        .content.toString()
        .matchAll(/ask (?:'[^']*'|"[^"]*"|[\w-]+) (\d+) /g),
    ];
    expect(limits.length).toBeGreaterThan(5);
    for (const [, seconds] of limits) expect(Number(seconds) * 1000).toBeLessThan(onNode('facts_limit'));
  });

  it('each call outlasts the commands it runs on the node', () => {
    expect(PROBE_TIMEOUT_MS).toBeGreaterThan(onNode('probe_limit') + ON_THE_WAY_MS);
    expect(FACTS_TIMEOUT_MS).toBeGreaterThan(onNode('facts_limit') + ON_THE_WAY_MS);
    expect(CALL_TIMEOUT_MS).toBeGreaterThan(onNode('pending_limit') + ON_THE_WAY_MS);
    // A start under two names, the polls between them, and the lines of the journal.
    expect(CALL_TIMEOUT_MS).toBeGreaterThan(2 * onNode('start_limit') + 3 * onNode('systemd_limit') - ON_THE_WAY_MS);
  });

  it('each activity outlasts its calls, and a waiting activity outlasts its wait', () => {
    expect(INSPECTION_FACTS_MS).toBeGreaterThan(FACTS_TIMEOUT_MS);
    expect(INSPECTION_PLAN_MS).toBeGreaterThan(CALL_TIMEOUT_MS);
    expect(INSPECTION_MS).toBeGreaterThan(INSPECTION_FACTS_MS + INSPECTION_PLAN_MS);
    expect(INSPECTION_RETRIES_MS).toBeGreaterThan(INSPECTION_MS);
    expect(SYSTEMD_TIMEOUT_MS).toBeGreaterThan(10 * CALL_TIMEOUT_MS);
    expect(JOB_TIMEOUT_MS).toBeGreaterThan(SYSTEMD_TIMEOUT_MS);
  });
});
