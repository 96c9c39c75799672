/** What each kind of target gets of one report, as a whole. */
import type { NotifyInput } from '../../src/contract/activities/notification';
import { composeMessage, plainMessage } from '../../src/domain/notifications/compose';
import type { RunNotice } from '../../src/domain/notifications/report';
import { htmlMessage, subjectLine } from '../../src/notifications/email';
import { messageId } from '../../src/notifications/message-id';
import { slackBody } from '../../src/notifications/slack';
import { teamsBody } from '../../src/notifications/teams';
import { cloudEvent } from '../../src/notifications/webhook';
import { golden } from '../support/golden';

const AT = '2026-11-29T01:20:00.000Z';
const report: RunNotice = {
  ...{ kind: 'run', run: 5, trigger: 'on-demand', unit: 'node', by: 'alice@ops', reason: 'CVE-2026-1234' },
  ...{ startedAt: '2026-11-29T01:00:04.120Z', total: 3, quarantined: [], unreachable: [], reboots: true },
  members: { patched: { count: 1, names: ['w-1'] }, failed: { count: 1, names: ['w-2'] } },
  failed: [{ name: 'w-2', message: 'dpkg failed: <b>no space</b> & @everyone', changed: true }],
  waits: { kind: 'budget', failures: 1, limit: 0 },
  ...{ expiresAt: '2026-12-13T01:00:04.120Z', nextWindow: '2026-12-06T00:00:00+01:00' },
};
const input: NotifyInput = {
  ...{ cluster: 'prod-eu', createdAt: '2026-11-01T00:00:00.000Z', at: AT, report, thread: null },
  target: { name: 'ops', on: ['run-blocked'], program: 'page' },
  news: [{ event: 'run-blocked', key: 'run-blocked 1/0' }],
};

it('has the same facts and commands in the form of each target', () => {
  const message = composeMessage(input.cluster, report);
  const json = (value: unknown): string => JSON.stringify(value, null, 2);
  const bodies: [string, string][] = [
    ['slack', json(slackBody(input.cluster, message))],
    ['teams', json(teamsBody(input.cluster, message))],
    ['email', `Subject: ${subjectLine(input.cluster, message)}\n\n${htmlMessage(input.cluster, message)}`],
    ['webhook', json(cloudEvent(input, message, messageId(input)))],
    ['program', `OSPATCH_TITLE=${message.title}\nOSPATCH_TEXT=${plainMessage(input.cluster, message)}`],
  ];
  const text = bodies.map(([name, body]) => `=== ${name}\n${body}\n`).join('\n');
  expect(text).toBe(golden(__dirname, 'bodies', text));
});
