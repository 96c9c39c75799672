/** Decides which messages a cluster takes, by what the worker requires of their senders. */
import { activityInfo } from '@temporalio/activity';
import type { Admission, AdmissionRequest, Admitted, NotAdmitted } from '../contract/activities/cluster';
import { clusterOfMember } from '../contract/workflow-ids';
import { isSignature } from '../domain/cluster/signature';
import { whyUnreadable } from '../domain/shared/unreadable';
import type { RequestSignature } from '../domain/cluster/signature';
import { signedText } from '../domain/cluster/signed-text';
import { commandOf, verbsOf } from '../domain/cluster/verbs';
import { plainText } from '../domain/shared/text';
import { MINUTE_MS } from '../domain/shared/time-units';
import { Semaphore } from '../retry/semaphore';
import { chainAfter } from '../signatures/chain';
import { verifySignature } from '../signatures/verify';
import type { AdmissionRules } from './admission-rules';
import { wasStartedBefore } from './earlier-start';
import { signalReceivedAt } from './signal-time';

/** A signed request that has taken longer from its signature to the server is none that a command has just sent. */
const MAX_AGE_MS = 10 * MINUTE_MS;
/** Clocks differ. */
const MAX_AHEAD_MS = 2 * MINUTE_MS;

/** Signatures that are verified at the same time: anybody may send them. */
const VERIFIED_AT_ONCE = 4;

/** Receives audit lines. */
interface Log {
  info(fields: Record<string, unknown>, message: string): void;
}

export class AdmissionDesk {
  private readonly verifying = new Semaphore(VERIFIED_AT_ONCE);

  constructor(
    private readonly rules: AdmissionRules,
    private readonly log: Log,
    private readonly now: () => number = Date.now,
  ) {}

  /** @throws when the policy cannot be read, or signatures cannot be verified here */
  async admit(request: AdmissionRequest): Promise<Admission> {
    const { workflowNamespace = 'default', workflowExecution, isLocal } = activityInfo();
    const { cluster } = request;
    // Anybody may start an activity in the name of a cluster, and with it an audit line; only its workflow a local one.
    if (!isLocal || clusterOfMember(workflowExecution?.workflowId ?? '') !== cluster.split('/', 1)[0])
      throw new Error('a cluster is asked about by its own workflows only');
    const answer = await this.decide(request, workflowNamespace);
    const chain = chainAfter(request.chain, request, answer);
    const { name, sender, via } = request;
    const { by, requestId, reason } = fieldsOf(request.message);
    this.log.info(
      {
        audit: 'request',
        cluster,
        request: commandOf(name),
        by: by ?? sender,
        reason,
        requestId,
        via,
        ...answer,
        chain,
      },
      answer.ok ? 'request admitted' : 'request refused',
    );
    return { ...answer, chain };
  }

  private async decide(request: AdmissionRequest, namespace: string): Promise<Admitted | NotAdmitted> {
    const { cluster, name, message, sealed } = request;
    const policy = this.rules.policyFor(cluster);
    const list = policy?.signers ?? null;
    const signers = list !== null;
    const refuse = (why: string): NotAdmitted => ({ ok: false, why, signers });
    const unread = whyUnreadable(message);
    if (unread !== null) return refuse(`the input cannot be read: ${unread}`);
    if (this.rules.encryptionRequired && !sealed) {
      const why = 'this worker takes only messages that are encrypted for their cluster (OSPATCH_ENCRYPTION_REQUIRED)';
      return refuse(`${why}; send it with ospatch and the keys of the workers (OSPATCH_ENCRYPTION_KEYS)`);
    }
    const signature = signatureOf(message);
    const needed = verbsOf(name, message).find((verb) => policy?.verified.includes(verb));
    if (signature === null) {
      if (needed === undefined) return { ok: true, signers };
      return refuse(`${needs(cluster, needed)}, and the request is not signed; ${HOW_TO_SIGN}`);
    }
    if (policy === null) return { ok: true, signers };
    if ((fieldsOf(message).requestId ?? '') === '') return refuse('a signed request has a requestId, e.g. a UUID');
    const late = await this.whyNotNow(request, signature);
    if (late !== null) return refuse(late);
    const place = { namespace, cluster, verb: commandOf(name), time: signature.time };
    const text = signedText(place, message as object);
    const verdict = await this.verifying.run(() =>
      verifySignature({ text, signature: signature.value, signers: list }),
    );
    if (verdict.kind === 'good') {
      // A cluster remembers what it has taken, which is of no use to the next one of its name.
      const isCopy = request.via === 'start' && (await wasStartedBefore(signature.value, startedSince(signature)));
      if (isCopy) return refuse('the cluster was started with this very request before; a signed request counts once');
      return { ok: true, principal: verdict.principal, signers };
    }
    // A signature that is wrong is no missing one: somebody has changed the request, or sent another one's.
    if (verdict.kind === 'bad') return refuse(`the signature of the request is wrong: ${verdict.why}`);
    if (needed === undefined) return { ok: true, signers };
    return refuse(`${needs(cluster, needed)}, and the signature counts for nobody: ${verdict.why}`);
  }

  /** Why the request comes at the wrong time, in one sentence; null: at the right one. */
  private async whyNotNow(request: AdmissionRequest, { time }: RequestSignature): Promise<string | null> {
    const now = this.now();
    const signedAt = Date.parse(time);
    if (signedAt > now + MAX_AHEAD_MS)
      return `the request was signed at ${time}, which is in the future; check the clock where it was signed`;
    const received = request.receivedAt === undefined ? now : Date.parse(request.receivedAt);
    if (received - signedAt <= MAX_AGE_MS) return null;
    // A signal waits in Temporal as long as there is no worker; what counts is when it came in.
    const cameIn = request.via === 'signal' ? await signalReceivedAt(request.name, request.message) : null;
    if (cameIn !== null && cameIn - signedAt <= MAX_AGE_MS) return null;
    return `the request was signed at ${time}, more than ${MAX_AGE_MS / MINUTE_MS} min before it was sent; sign it again`;
  }
}

/** Clocks differ. */
function startedSince({ time }: RequestSignature): number {
  return Date.parse(time) - MAX_AHEAD_MS;
}

const HOW_TO_SIGN = 'send it with ospatch and --sign-with KEY (OSPATCH_SIGNING_KEY)';

function needs(cluster: string, verb: string): string {
  return `the policy of the worker requires a verified person for ${verb} on ${cluster}`;
}

function signatureOf(message: unknown): RequestSignature | null {
  if (typeof message !== 'object' || message === null || !('signature' in message)) return null;
  return isSignature(message.signature) ? message.signature : null;
}

function fieldsOf(message: unknown): { by?: string; requestId?: string; reason?: string } {
  if (typeof message !== 'object' || message === null) return {};
  const fields: Record<string, string> = {};
  for (const name of ['by', 'requestId', 'reason'] as const) {
    const value = (message as Readonly<Record<string, unknown>>)[name];
    if (typeof value === 'string') fields[name] = plainText(value, 500);
  }
  return fields;
}
