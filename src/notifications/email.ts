/** E-mail by SMTP: text and HTML, all messages about one subject in one thread. */
import { lookup } from 'node:dns/promises';
import { createTransport } from 'nodemailer';
import type { ComposedMessage } from '../domain/notifications/compose';
import { plainMessage } from '../domain/notifications/compose';
import type { EmailTarget } from '../domain/notifications/types';
import { isAddressIn } from '../domain/policy/addresses';
import { defined } from '../domain/shared/defined';
import { codeOf } from '../domain/shared/error-code';
import { OspatchError } from '../domain/shared/errors';
import { plainText } from '../domain/shared/text';
import { DeliveryFailure, withoutSecrets } from './failure';
import { threadId } from './message-id';
import type { Sending, Sent } from './sending';

const CONNECT_MS = 15_000;
const SOCKET_MS = 30_000;

export async function sendEmail(target: EmailTarget, sending: Sending): Promise<Sent> {
  const { input, message, id, secrets } = sending;
  const { host, port, tls, user, from, to } = target;
  const server = `${host}:${port}`;
  const address = await addressOf(server, host, sending);
  const pass = secrets.readIf(target.passwordFile);
  const ca = secrets.readCertificates(target.caFile);
  const domain = from.slice(from.lastIndexOf('@') + 1);
  const messageId = `<${id}@${domain}>`;
  const root = `<${threadId(input)}@${domain}>`;
  const transport = createTransport({
    ...{ host: address, port, secure: tls === 'tls', requireTLS: tls === 'starttls', ignoreTLS: tls === 'none' },
    tls: { servername: host, minVersion: 'TLSv1.2', ...defined({ ca }) },
    ...defined({ auth: user === undefined || pass === undefined ? undefined : { user, pass } }),
    ...{ connectionTimeout: CONNECT_MS, greetingTimeout: CONNECT_MS, socketTimeout: SOCKET_MS },
    ...{ disableFileAccess: true, disableUrlAccess: true, logger: false },
  });
  try {
    const sent = await transport.sendMail({
      ...{
        signal: sending.signal,
        from,
        to,
        messageId,
        date: new Date(),
        subject: subjectLine(input.cluster, message),
      },
      text: `${plainMessage(input.cluster, message)}\n`,
      html: htmlMessage(input.cluster, message),
      // The first message of a thread has the id of the thread among its references, too, so that order does not matter.
      references: [root],
      inReplyTo: root,
      headers: { 'Auto-Submitted': 'auto-generated', 'X-Ospatch-Message-Id': id },
    });
    assertForAll(sent, server, secrets.values);
    return { answer: withoutSecrets(sent.response, secrets.values), thread: { id: root } };
  } catch (error) {
    sending.signal.throwIfAborted();
    if (error instanceof DeliveryFailure) throw error;
    throw failureOf(error, server, secrets.values);
  } finally {
    transport.close();
  }
}

/** The address that the policy has judged is the one that is connected to. */
async function addressOf(server: string, host: string, { allow }: Sending): Promise<string> {
  const within = allow(host);
  if (within === undefined) return host;
  const found = await lookup(host, { all: true, verbatim: true }).catch((error: unknown) => {
    throw new DeliveryFailure(
      `${server} cannot be resolved on the worker (${codeOf(error) ?? 'no reason given'})`,
      true,
    );
  });
  const allowed = found.find(({ address }) => isAddressIn(address, within.networks));
  if (allowed !== undefined) return allowed.address;
  throw new OspatchError({
    type: 'Denied',
    message: `the policy of the worker does not allow a call to ${server} for the cluster ${within.cluster}: the name leads to an address outside of the networks of the rule ${within.rule}`,
    remedy: `ask the owner of the worker to allow ${host} in the rule ${within.rule}`,
  });
}

/** One line: a line break would begin another header. */
export function subjectLine(cluster: string, { title }: ComposedMessage): string {
  return plainText(`[ospatch] ${cluster}: ${title}`, 200);
}

const COLOR: Readonly<Record<ComposedMessage['level'], string>> = {
  info: '#334155',
  success: '#15803d',
  warning: '#b45309',
  error: '#b91c1c',
};

export function htmlMessage(cluster: string, { level, title, text, nodes, next, commands }: ComposedMessage): string {
  const paragraphs = (lines: readonly string[]): string => lines.map((line) => `<p>${escapeHtml(line)}</p>`).join('\n');
  const list = nodes
    .map(({ name, text: said }) => `<li><b>${escapeHtml(name)}</b> ${escapeHtml(said)}</li>`)
    .join('\n');
  const steer = commands
    .map(({ what, command }) => `<p>${escapeHtml(what)}:<br><code>${escapeHtml(command)}</code></p>`)
    .join('\n');
  return [
    '<!doctype html>',
    '<html><body style="font-family: sans-serif; line-height: 1.4">',
    `<h3 style="color: ${COLOR[level]}">${escapeHtml(`${cluster}: ${title}`)}</h3>`,
    paragraphs(text),
    list === '' ? '' : `<ul>\n${list}\n</ul>`,
    paragraphs(next),
    steer,
    '</body></html>',
    '',
  ]
    .filter((part, at, all) => part !== '' || at === all.length - 1)
    .join('\n');
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
}

interface SentMail {
  accepted: (string | { address: string })[];
  rejected: (string | { address: string })[];
  rejectedErrors?: readonly { response?: string; responseCode?: number }[];
}

/** A server may take a message for some recipients only, which is no delivery to the others. */
function assertForAll(
  { accepted, rejected, rejectedErrors = [] }: SentMail,
  server: string,
  secrets: readonly string[],
): void {
  if (rejected.length === 0) return;
  const names = (some: SentMail['accepted']): string =>
    some.map((one) => (typeof one === 'string' ? one : one.address)).join(', ');
  const why = withoutSecrets(rejectedErrors[0]?.response ?? 'no reason given', secrets);
  // Only a refusal for a while is tried again, with the same Message-ID: the others have the message already.
  const isForAWhile = rejectedErrors.some(({ responseCode = 0 }) => responseCode < 500);
  const message = `the mail server ${server} has taken the message for ${names(accepted)}, but not for ${names(rejected)}: ${why}`;
  throw new DeliveryFailure(withoutSecrets(message, secrets), isForAWhile, 'correct to of the target');
}

/** An answer of 5xx to the content is final; that of a login is not, because somebody may correct the password. */
function failureOf(error: unknown, server: string, secrets: readonly string[]): DeliveryFailure {
  const { responseCode, command } = error as { responseCode?: number; command?: string };
  const said = withoutSecrets(error instanceof Error ? error.message : String(error), secrets);
  const isFinal =
    (responseCode ?? 0) >= 550 && (command === 'RCPT TO' || command === 'DATA' || command === 'MAIL FROM');
  const remedy = codeOf(error) === 'EAUTH' ? 'correct user and passwordFile of the target' : undefined;
  return new DeliveryFailure(`the mail server ${server} has not taken the message: ${said}`, !isFinal, remedy);
}
