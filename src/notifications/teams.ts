/** Microsoft Teams: a Workflows webhook, which gets an Adaptive Card. */
import type { ComposedMessage } from '../domain/notifications/compose';
import type { TeamsTarget } from '../domain/notifications/types';
import { parseUrl, serverOf } from '../http/call';
import { defined } from '../domain/shared/defined';
import { DeliveryFailure, withoutSecrets } from './failure';
import { assertNoPage, assertTaken } from './http-answers';
import type { Sending, Sent } from './sending';

export async function sendTeams({ urlFile, caFile, url: given }: TeamsTarget, sending: Sending): Promise<Sent> {
  const { input, message, secrets, call, signal, allow } = sending;
  const url = given ?? secrets.read(urlFile ?? '');
  const parsed = parseUrl(url);
  const within = allow(parsed.hostname);
  const answer = await call({
    ...{ method: 'POST', url, body: JSON.stringify(teamsBody(input.cluster, message)), signal },
    ...{ onUnreadable: 'cut', maxBytes: 2048, headers: { 'content-type': 'application/json; charset=utf-8' } },
    tls: defined({ ca: secrets.readCertificates(caFile) }),
    ...defined({ within }),
  });
  const server = serverOf(parsed);
  const taken = assertTaken(answer, server, secrets.values);
  assertNoPage(answer, server);
  // Teams has answered so with HTTP 200 when it limits the rate of messages.
  if (!/delivery failed/i.test(answer.body)) return { answer: taken, thread: null };
  const said = withoutSecrets(answer.body, secrets.values);
  throw new DeliveryFailure(`${server} has taken the message and not delivered it (${said})`, true);
}

const COLOR: Readonly<Record<ComposedMessage['level'], string>> = {
  info: 'Default',
  success: 'Good',
  warning: 'Warning',
  error: 'Attention',
};

/** Runs of text are shown as they are; a TextBlock would read Markdown, links and HTML entities in them. */
function paragraph(text: string, style: object = {}): object {
  return { type: 'RichTextBlock', inlines: [{ type: 'TextRun', text, ...style }] };
}

export function teamsBody(
  cluster: string,
  { level, title, text, nodes, next, commands }: ComposedMessage,
): Record<string, unknown> {
  const body = [
    paragraph(`${cluster}: ${title}`, { weight: 'Bolder', size: 'Medium', color: COLOR[level] }),
    ...text.map((line) => paragraph(line)),
    ...nodes.map(({ name, text: said }) => ({
      type: 'RichTextBlock',
      inlines: [
        { type: 'TextRun', text: `${name} `, weight: 'Bolder' },
        { type: 'TextRun', text: said },
      ],
    })),
    ...next.map((line) => paragraph(line)),
    ...commands.map(({ what, command }) => ({
      type: 'RichTextBlock',
      inlines: [
        { type: 'TextRun', text: `${what}: ` },
        { type: 'TextRun', text: command, fontType: 'Monospace' },
      ],
    })),
  ];
  const card = {
    $schema: 'http://adaptivecards.io/schemas/adaptive-card.json',
    ...{ type: 'AdaptiveCard', version: '1.4', body },
    msteams: { width: 'Full' },
  };
  return {
    type: 'message',
    attachments: [{ contentType: 'application/vnd.microsoft.card.adaptive', contentUrl: null, content: card }],
  };
}
