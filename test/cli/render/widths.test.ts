/** Tables and sentences with the longest and the most hostile texts there are. */
import { renderChecks } from '../../../src/cli/render/checks';
import { textWidth, wrapIndented } from '../../../src/cli/render/columns';
import { renderFleet } from '../../../src/cli/render/fleet';
import { renderHistory } from '../../../src/cli/render/history';
import { renderList } from '../../../src/cli/render/list';
import { renderFrame } from '../../../src/cli/render/live';
import { renderRun } from '../../../src/cli/render/run';
import { renderStatus } from '../../../src/cli/render/status';
import { describeRunEnd } from '../../../src/cli/render/outcome';
import type { Colors } from '../../../src/cli/render/table';
import { warning } from '../../../src/domain/inspection/finding';
import { nodeInspection } from '../../support/builders';
import { NOW, PLAIN, live, node, runStatus, status, summary } from '../support';

/** 63 characters, as long as a label of a host name may be. */
const NAME = `worker-${'abcdefg-'.repeat(6)}abcdefgh`;
const HOSTILE =
  '界面 \u001b[2J\u001b]0;title\u0007 ünïcode\u202e\r\nnext line, and a sentence that goes on for a good while';
const LONG = `${HOSTILE} `.repeat(4).trim();

const error = { type: 'DiskFull', message: LONG, remedy: LONG } as const;
const lock = { at: '2026-11-23T10:00:00Z', by: LONG, reason: LONG, until: null };
const nodes = [
  node(NAME, { state: 'failed', lastError: error, lock, patchedVersion: LONG, kernel: '6.1.0-44-amd64' }),
  node('w-2', { state: 'patching', warnings: [{ kind: 'apt-hold', message: LONG, remedy: LONG } as never] }),
];
const SHOWN = status(nodes, {
  run: runStatus(7),
  paused: { at: '2026-11-23T11:00:00Z', by: LONG, reason: LONG },
  lastRun: summary(6, { by: LONG, reason: LONG, outcome: 'failed', failed: 1 }),
  lastRejection: { request: 'patchNow', by: LONG, at: '2026-11-23T11:00:00Z', message: LONG } as never,
  current: [live('w-2', { step: 'drain', waitingFor: LONG, blocked: [] })],
});
const RUN = summary(7, { by: LONG, reason: LONG, outcome: 'failed', failed: 1 });
const ITEM = {
  ...{ cluster: NAME, type: 'self-managed', state: 'idle', ready: true, nextWindow: '2026-11-29T00:00:00Z' },
  ...{
    lastOutcome: 'failed',
    lastRunAt: null,
    inRun: false,
    failedNodes: 3,
    rebootPending: 2,
    problems: ['3 failed', '2 need a reboot'],
  },
  ...{ createdAt: '2026-11-01T00:00:00Z', sites: [], sitesWithoutWorker: [], looked: true },
  stuck: { kind: 'task-failing', message: LONG, remedy: LONG } as never,
};
const settled = { node: NAME, outcome: 'failed', error, reading: null, workflowRunId: null, kind: 'node' } as never;

const RENDERED: [string, (color: Colors) => string][] = [
  ['status', (color) => renderStatus(SHOWN, SHOWN.explanation, { now: NOW, zone: 'UTC', color })],
  [
    'status of many',
    (color) => renderFleet([{ ...SHOWN, severity: 'error' } as never], { now: NOW, zone: 'UTC', color }),
  ],
  [
    'the live display',
    (color) => renderFrame(SHOWN, { now: NOW, zone: 'UTC', color, height: 40, notice: null }).join('\n'),
  ],
  ['list', (color) => renderList([ITEM], color, 'UTC')],
  [
    'history',
    (color) =>
      renderHistory(
        'demo',
        {
          runs: [RUN],
          windows: [],
          requests: [{ request: 'pause', at: RUN.endedAt, by: LONG, reason: LONG, result: LONG }],
        } as never,
        color,
        { zone: 'UTC' },
      ),
  ],
  [
    'history of a run',
    (color) => renderRun('demo', { run: 7, summary: RUN, nodes: [{ settled, record: null }] } as never, color, 'UTC'),
  ],
  ['check', (color) => renderChecks([nodeInspection(NAME, { findings: [warning('units', LONG, LONG)] })], color)],
  ['the end of a wait', ({ columns }) => wrapIndented(describeRunEnd('demo', RUN, [settled]).join('\n'), columns)],
];

describe('everything that is shown', () => {
  test.each(RENDERED.flatMap(([name, render]) => [80, 140].map((columns) => [name, columns, render] as const)))(
    'of %s fits %i columns',
    (_name, columns, render) => {
      for (const line of render({ ...PLAIN, columns }).split('\n')) {
        // A name is never broken.
        if (textWidth(line) > columns) expect(line.trim()).toBe(NAME);
      }
    },
  );

  test.each(RENDERED.flatMap(([name, render]) => [40, 60].map((columns) => [name, columns, render] as const)))(
    'of %s has no line of %i columns that could be broken',
    (_name, columns, render) => {
      const tooWide = render({ ...PLAIN, columns })
        .split('\n')
        .filter((line) => textWidth(line) > columns);
      expect(tooWide.filter((line) => !line.includes(NAME))).toEqual([]);
    },
  );

  test.each(RENDERED)('of %s has no control character, and is whole in a pipe', (name, render) => {
    const text = render(PLAIN);
    // oxlint-disable-next-line no-control-regex -- what must not be there
    expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/);
    if (name !== 'the live display') expect(text).not.toContain('…');
  });
});
