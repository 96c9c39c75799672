/** What an answer over HTTP means for a message. */
import type { HttpAnswer } from '../http/call';
import { DeliveryFailure, withoutSecrets } from './failure';

/** The receiver understands the request and never takes it. */
const NEVER: ReadonlySet<number> = new Set([400, 405, 406, 410, 411, 413, 414, 415, 422, 501]);

const MAX_RETRY_AFTER_MS = 60 * 60_000;

/** @throws DeliveryFailure unless the receiver has taken the message */
export function assertTaken(answer: HttpAnswer, server: string, secrets: readonly string[]): string {
  const { status, body } = answer;
  const said = withoutSecrets(body, secrets);
  if (status >= 200 && status < 300) return `HTTP ${status}${said === '' ? '' : ` (${said})`}`;
  const message = `${server} has answered with HTTP ${status}${said === '' ? '' : ` (${said})`}`;
  throw new DeliveryFailure(message, !NEVER.has(status), undefined, retryAfterMs(answer));
}

/** A page for a browser, e.g. of a login or a proxy, whatever its status: no chat answers a webhook with one. */
export function assertNoPage({ body }: HttpAnswer, server: string): void {
  if (!/^\s*(<!doctype html|<html)/i.test(body)) return;
  throw new DeliveryFailure(
    `${server} has answered with a web page, as a login or a proxy does, and not as a webhook`,
    true,
    'correct the URL of the target',
  );
}

export function retryAfterMs({ headers }: HttpAnswer): number | undefined {
  const seconds = Number(headers['retry-after']);
  return Number.isFinite(seconds) && seconds > 0 ? Math.min(MAX_RETRY_AFTER_MS, seconds * 1000) : undefined;
}
