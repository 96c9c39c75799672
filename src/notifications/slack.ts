/** Slack, and services that speak its API: an incoming webhook, or one message per run that is kept up to date, with a thread. */
import type { ComposedMessage } from '../domain/notifications/compose';
import type { SlackTarget } from '../domain/notifications/types';
import { SLACK_API } from '../domain/notifications/types';
import { parseUrl, serverOf } from '../http/call';
import type { HttpAnswer } from '../http/call';
import { defined } from '../domain/shared/defined';
import { DeliveryFailure, withoutSecrets } from './failure';
import { assertNoPage, assertTaken, retryAfterMs } from './http-answers';
import type { Sending, Sent } from './sending';

/** Limits of Slack. */
const MAX_SECTION = 2_900;

/** Errors of the API that no retry cures, because the message itself is not accepted. */
const NEVER: ReadonlySet<string> = new Set(['invalid_blocks', 'msg_too_long', 'no_text', 'invalid_arguments']);

/** The message is not there to be changed. */
const GONE: ReadonlySet<string> = new Set([
  'message_not_found',
  'cant_update_message',
  'edit_window_closed',
  'thread_not_found',
]);

export async function sendSlack(target: SlackTarget, sending: Sending): Promise<Sent> {
  return target.channel === undefined ? sendToWebhook(target, sending) : sendToChannel(target, sending);
}

async function sendToWebhook({ urlFile = '', caFile }: SlackTarget, sending: Sending): Promise<Sent> {
  const { secrets } = sending;
  const url = secrets.read(urlFile);
  const answer = await post(sending, url, slackBody(sending.input.cluster, sending.message), caFile);
  const server = serverOf(parseUrl(url));
  const taken = assertTaken(answer, server, secrets.values);
  assertNoPage(answer, server);
  return { answer: taken, thread: null };
}

async function sendToChannel(target: SlackTarget, sending: Sending): Promise<Sent> {
  const { input, message, secrets } = sending;
  const { channel = '', caFile } = target;
  const body = slackBody(input.cluster, message);
  const { thread } = input;
  if (thread !== null) {
    const place = thread.place ?? channel;
    const changed = await api(target, sending, 'chat.update', { channel: place, ts: thread.id, ...body }, caFile);
    if (changed.ok === true) {
      if (input.news.length === 0) return { answer: 'the message was updated', thread };
      const reply = { channel: place, thread_ts: thread.id, text: `*${escapeSlack(message.title)}*` };
      assertOk(
        await api(target, sending, 'chat.postMessage', { ...reply, metadata: metadataOf(sending) }, caFile),
        secrets.values,
      );
      return { answer: 'the message was updated, with a reply in its thread', thread };
    }
    if (!GONE.has(String(changed.error))) assertOk(changed, secrets.values);
  }
  const posted = await api(
    target,
    sending,
    'chat.postMessage',
    { channel, ...body, metadata: metadataOf(sending) },
    caFile,
  );
  assertOk(posted, secrets.values);
  const id = typeof posted.ts === 'string' ? posted.ts : null;
  const place = typeof posted.channel === 'string' ? posted.channel : channel;
  return { answer: 'the message was posted', thread: id === null ? null : { id, place } };
}

interface SlackAnswer {
  ok?: unknown;
  error?: unknown;
  ts?: unknown;
  channel?: unknown;
}

async function api(
  { endpoint = SLACK_API, tokenFile = '' }: SlackTarget,
  sending: Sending,
  method: string,
  body: object,
  caFile: string | undefined,
): Promise<SlackAnswer> {
  const { secrets } = sending;
  const token = secrets.read(tokenFile);
  const url = `${endpoint.replace(/\/$/, '')}/${method}`;
  const answer = await post(sending, url, body, caFile, { authorization: `Bearer ${token}` });
  const server = serverOf(parseUrl(url));
  if (answer.status === 429) {
    throw new DeliveryFailure(
      `${server} takes no more messages for a while (HTTP 429)`,
      true,
      undefined,
      retryAfterMs(answer),
    );
  }
  assertTaken(answer, server, secrets.values);
  try {
    const parsed: unknown = JSON.parse(answer.body);
    if (typeof parsed === 'object' && parsed !== null) return parsed;
  } catch {
    // Said below.
  }
  throw new DeliveryFailure(
    `${server} has not answered as the API of Slack does`,
    true,
    'correct the endpoint of the target',
  );
}

function assertOk({ ok, error }: SlackAnswer, secrets: readonly string[]): void {
  if (ok === true) return;
  const why = withoutSecrets(typeof error === 'string' ? error : 'no reason given', secrets);
  throw new DeliveryFailure(`Slack does not take the message (${why})`, !NEVER.has(why), REMEDIES[why]);
}

const REMEDIES: Readonly<Record<string, string>> = {
  not_in_channel: 'invite the bot into the channel',
  channel_not_found: 'correct the channel, and invite the bot into it',
  invalid_auth: 'put a valid token into the tokenFile of the target',
  missing_scope: 'give the bot the scope chat:write',
};

function post(
  { call, signal, allow, secrets }: Sending,
  url: string,
  body: object,
  caFile: string | undefined,
  headers: Record<string, string> = {},
): Promise<HttpAnswer> {
  const within = allow(parseUrl(url).hostname);
  return call({
    ...{ method: 'POST', url, body: JSON.stringify(body), signal, onUnreadable: 'cut', maxBytes: 64 * 1024 },
    headers: { 'content-type': 'application/json; charset=utf-8', ...headers },
    tls: defined({ ca: secrets.readCertificates(caFile) }),
    ...defined({ within }),
  });
}

function metadataOf({ id }: Sending): object {
  return { event_type: 'ospatch_notification', event_payload: { id } };
}

const SIGN: Readonly<Record<ComposedMessage['level'], string>> = {
  info: ':information_source:',
  success: ':white_check_mark:',
  warning: ':warning:',
  error: ':x:',
};

/** `text` is what notifications and services without blocks show. */
export function slackBody(cluster: string, message: ComposedMessage): Record<string, unknown> {
  const { level, title, text, nodes, next, commands } = message;
  const parts = [
    `${SIGN[level]} *${escapeSlack(cluster)}: ${escapeSlack(title)}*`,
    text.map(escapeSlack).join('\n'),
    nodes.map((node) => `• *${escapeSlack(node.name)}* ${escapeSlack(node.text)}`).join('\n'),
    next.map(escapeSlack).join('\n'),
    commands
      .map(({ what, command }) => `${escapeSlack(what)}: \`${entities(command).replaceAll('`', "'")}\``)
      .join('\n'),
  ].filter((part) => part !== '');
  return {
    text: parts.join('\n\n'),
    blocks: parts.map((part) => ({ type: 'section', text: { type: 'mrkdwn', text: cut(part), verbatim: true } })),
    unfurl_links: false,
    unfurl_media: false,
    mrkdwn: true,
  };
}

function cut(text: string): string {
  return text.length <= MAX_SECTION ? text : `${text.slice(0, MAX_SECTION)}…`;
}

/** What a zero-width space keeps apart is shown, and does nothing. */
const APART = '\u200b';

/**
 * Text of nodes and people mentions nobody and formats nothing: Slack's three characters are entities, and an @ is no mention for
 * services that read it as one.
 */
export function escapeSlack(text: string): string {
  return entities(text)
    .replaceAll('](', `]${APART}(`)
    .replace(/@(?=[A-Za-z])/g, `@${APART}`)
    .replace(/([*_~`])(?=\S)/g, (mark, _1, at: number, all: string) => (isInWord(all, at) ? mark : `${mark}${APART}`));
}

/** Of code, which is copied: nothing else may be in it. */
function entities(text: string): string {
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');
}

function isInWord(text: string, at: number): boolean {
  return /\w/.test(text.charAt(at - 1)) && /\w/.test(text.charAt(at + 1));
}
