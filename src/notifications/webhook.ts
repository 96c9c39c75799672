/** HTTP receivers: CloudEvents 1.0 in structured JSON, signed as Standard Webhooks describes. */
import { createHmac } from 'node:crypto';
import type { NotifyInput } from '../contract/activities/notification';
import type { ComposedMessage } from '../domain/notifications/compose';
import { plainMessage } from '../domain/notifications/compose';
import { aboutOf, subjectOf } from '../domain/notifications/report';
import type { WebhookTarget } from '../domain/notifications/types';
import { parseUrl, serverOf } from '../http/call';
import { DeliveryFailure } from './failure';
import { assertTaken } from './http-answers';
import type { Sending, Sent } from './sending';
import { defined } from '../domain/shared/defined';

export async function sendWebhook(target: WebhookTarget, sending: Sending): Promise<Sent> {
  const { input, message, id, secrets, call, signal, allow } = sending;
  const url = target.url ?? secrets.read(target.urlFile ?? '');
  const parsed = parseUrl(url);
  const within = allow(parsed.hostname);
  const body = JSON.stringify(cloudEvent(input, message, id));
  const key = target.signingKeyFile === undefined ? null : signingKey(secrets.read(target.signingKeyFile));
  const timestamp = String(Math.floor(Date.now() / 1000));
  const headers = {
    'content-type': 'application/cloudevents+json; charset=utf-8',
    'webhook-id': id,
    'webhook-timestamp': timestamp,
    ...defined({ 'webhook-signature': key === null ? undefined : signatureOf(key, id, timestamp, body) }),
  };
  const tls = defined({ ca: secrets.readCertificates(target.caFile) });
  const answer = await call({
    method: 'POST',
    url,
    headers,
    body,
    signal,
    tls,
    onUnreadable: 'cut',
    maxBytes: 2048,
    ...defined({ within }),
  });
  return { answer: assertTaken(answer, serverOf(parsed), secrets.values), thread: null };
}

/** The body of a webhook. */
export function cloudEvent(input: NotifyInput, message: ComposedMessage, id: string): Record<string, unknown> {
  const { cluster, createdAt, report, at, news } = input;
  const [first] = news;
  return {
    specversion: '1.0',
    id,
    source: `/ospatch/clusters/${cluster}`,
    type: `ospatch.${first === undefined ? report.kind : newest(input)}`,
    subject: subjectOf(report),
    time: at,
    datacontenttype: 'application/json',
    data: {
      cluster,
      clusterCreatedAt: createdAt,
      about: aboutOf(report),
      events: news.map(({ event }) => event),
      level: message.level,
      title: message.title,
      text: plainMessage(cluster, message),
      next: message.next,
      commands: message.commands,
      report,
    },
  };
}

/** What has happened last: a run that has ended is that, whatever happened in it. */
function newest({ news }: NotifyInput): string {
  return news.at(-1)?.event ?? 'update';
}

/** @throws DeliveryFailure when it is no key of Standard Webhooks */
function signingKey(text: string): Buffer {
  const base64 = text.replace(/^whsec_/, '');
  const key = Buffer.from(base64, 'base64');
  const isKey = /^[A-Za-z0-9+/]{20,}={0,2}$/.test(base64) && key.length >= 16;
  if (isKey) return key;
  throw new DeliveryFailure(
    'the signing key is none: it needs at least 16 bytes in base64, after whsec_',
    true,
    'make one with: printf \'whsec_%s\' "$(openssl rand -base64 32)"',
  );
}

export function signatureOf(key: Buffer, id: string, timestamp: string, body: string): string {
  return `v1,${createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')}`;
}
