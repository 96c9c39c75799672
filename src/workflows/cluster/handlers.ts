/** The messages of a cluster workflow: checked, filed and answered here, carried out by its loop. */
import type { Verification } from '../../domain/shared/verification';
import { ApplicationFailure, setDefaultSignalHandler, setDefaultUpdateHandler, setHandler } from '@temporalio/workflow';
import type { ClusterState } from '../../domain/cluster/state';
import type {
  ApplySpecAnswer,
  Message,
  PatchNowMessage,
  RemoveAnswer,
  SignalName,
} from '../../domain/cluster/messages';
import { SIGNALS, SPEC_MISSING, parseMessage } from '../../domain/cluster/messages';
import type { SpecMessage } from '../../domain/cluster/spec-message';
import { NO_SPEC, parseSpecMessage } from '../../domain/cluster/spec-message';
import {
  CANCELLED_BY,
  actOnApplySpec,
  actOnRemove,
  actOnRequest,
  actOnSteering,
  beingRemoved,
  checkApplySpec,
  checkRequest,
  checkSteeringRequest,
  rejectRequest,
} from '../../domain/cluster/requests';
import { rowsPage } from '../../domain/cluster/published';
import { eventsPage, parseEventsRequest } from '../../domain/cluster/event-pages';
import { noteNotified, parseNotified } from '../../domain/cluster/notified';
import { noteNodeAction, parseNodeAction } from '../../domain/cluster/node-actions';
import { REPEATED } from '../../domain/cluster/reset';
import type { SteeringMessage, SteeringName } from '../../domain/cluster/steering';
import { STEERING, foreignField, parseSteering } from '../../domain/cluster/steering';
import { defined } from '../../domain/shared/defined';
import { plainText } from '../../domain/shared/text';
import { unreadable, whyUnreadable } from '../../domain/shared/unreadable';
import { toHistory } from '../../domain/cluster/status';
import { describeStatus } from '../../domain/explain/status-line';
import type { RowVersions } from '../../domain/cluster/status-pages';
import { nodesPage, parsePageRequest, statusPage, clusterSummary } from '../../domain/cluster/status-pages';
import * as messages from '../../contract/messages';
import type { Arrival } from './admission';
import { admit, arrival, denied } from './admission';
import { checkSpec } from './check-spec';
import type { MessageQueue } from './message-queue';
import { mayBeRepeated } from '../shared/reset';
import { senderIdentity } from '../shared/sender';
import { timestamp } from '../shared/timestamp';

/** Characters of the problems of a spec that are kept; the answer to an update has all of them. */
const MAX_REFUSAL = 500;

const PAGE_INPUT = '{"from": 100, "limit": 100, "state": "failed"}';

const DESCRIPTIONS: Record<SignalName, string> = {
  patchNow:
    'Patch now, or in the next maintenance window. Input: nothing for all nodes, or {"nodes": ["w-1"], "reason": "...", "by": "..."}; also selector, notBefore, deadline, ignoreWindow, ignoreAlerts, concurrency.',
  pause: 'Start no further node and no run until resumed. Input: nothing, or {"reason": "...", "by": "..."}.',
  resume: 'Undo pause. Input: nothing, or {"reason": "...", "by": "..."}.',
  cancelRun:
    'Cancel the run in progress; a package transaction that has begun is finished. Input: nothing, or {"reason": "...", "by": "..."}.',
};

const STEERING_DESCRIPTIONS: Record<SteeringName, string> = {
  skip: 'Leave a node out of the run in progress, or let its failure no longer count. Input: {"node": "w-1", "reason": "..."}.',
  retry: 'Give a node that failed or was skipped another turn in the run in progress. Input: {"node": "w-1"}.',
  setConcurrency:
    'How many nodes the run in progress patches at the same time. Input: {"concurrency": 5} or {"concurrency": "10%"}.',
  setMaxFailures: 'How many nodes of the run in progress may fail. Input: {"maxFailures": 2} or {"maxFailures": "5%"}.',
  extendWindow:
    'Let the present maintenance window end later. Input: {"duration": "90m"} or {"until": "2027-01-31T18:00:00Z"}.',
  lock: 'Keep every run from a node. Input: {"node": "w-1", "until": "2027-01-31T18:00:00Z", "reason": "..."}; without until: until unlock.',
  unlock: 'Undo lock. Input: {"node": "w-1"}.',
};

const APPLY_SPEC_DESCRIPTION =
  'Put a spec into force at once. Input: the spec as in its file, as JSON, bare or as {"spec": {...}, "reason": "...", "by": "..."}.';
const REMOVE_DESCRIPTION =
  'Stop managing this cluster: cancel the run in progress, then end. Nodes stay as they are. Input: nothing, or {"reason": "...", "by": "..."}.';

const ALL_MESSAGES = [...SIGNALS, ...STEERING, 'applySpec', 'remove'].join(', ');

/** What the messages are about. A cluster whose first spec is being checked has no state yet; reading it throws. */
export interface HandledCluster {
  readonly state: ClusterState;
  readonly versions: RowVersions;
  /** Something was filed: the loop has to look. */
  changed(): void;
  progress(value: unknown): void;
  explain(): string;
}

/** Registers all handlers. `queue`: what is in it already comes before every message. */
export function registerHandlers(
  cluster: HandledCluster,
  queue: MessageQueue,
): { removeByCancellation(reason: string | undefined): Promise<void> } {
  const handlers = new Handlers(cluster, queue);
  handlers.register();
  return handlers;
}

class Handlers {
  constructor(
    private readonly cluster: HandledCluster,
    private readonly queue: MessageQueue,
  ) {}

  register(): void {
    // What arrived before there was a handler is handed over as each is registered: specs before what is asked of them.
    this.registerApplySpec();
    for (const name of SIGNALS) this.registerRequest(name);
    for (const name of STEERING) this.registerSteering(name);
    this.registerRemove();
    this.registerQueries();
    // Messages from workflows have no handler of their own, so that the Temporal UI does not offer them to users.
    setDefaultSignalHandler((name, value) => {
      const sender = defined({ by: senderIdentity() });
      return this.queue.run(() => {
        try {
          if (name === messages.runProgressSignal.name) this.cluster.progress(value);
          else if (name === messages.nodeActionSignal.name) this.nodeAction(value);
          else if (name === messages.notifiedSignal.name) this.notified(value);
          else this.refuse(`signal ${name}`, sender, `no such signal; there are ${ALL_MESSAGES}`);
        } catch (failure) {
          this.refuse(name, sender, `the signal could not be handled: ${messageOf(failure)}`);
        }
      });
    });
    setDefaultUpdateHandler((name) => {
      throw refused(`no such update: ${plainText(name, 100)}; there are ${ALL_MESSAGES}`);
    });
  }

  private registerQueries(): void {
    const { cluster } = this;
    setHandler(messages.summaryQuery, () => clusterSummary(cluster.state, cluster.explain(), Date.now()), {
      description: 'Status of the cluster, with nodes counted by state.',
    });
    setHandler(
      messages.statusQuery,
      (value) => statusPage(cluster.state, cluster.explain(), cluster.versions, parsePageRequest(value), Date.now()),
      { description: `The same with nodes, from the first on. Input: nothing, or ${PAGE_INPUT}.` },
    );
    setHandler(messages.nodesQuery, (value) => nodesPage(cluster.state, parsePageRequest(value)), {
      description: `Nodes of the cluster. Input: nothing, or ${PAGE_INPUT}.`,
    });
    setHandler(messages.historyQuery, () => toHistory(cluster.state), {
      description: 'The last runs, windows and requests, oldest first.',
    });
    setHandler(messages.eventsQuery, (value) => eventsPage(cluster.state, parseEventsRequest(value)), {
      description: 'What has happened, and who did it, oldest first. Input: nothing, or {"since": 120, "limit": 100}.',
    });
    setHandler(
      messages.explainQuery,
      () => describeStatus(clusterSummary(cluster.state, cluster.explain(), Date.now()).statusLines),
      { description: 'What is wrong or what is next, since when, and the command for it.' },
    );
    setHandler(
      messages.nodeMetricsQuery,
      (from) => rowsPage(cluster.state.nodes, typeof from === 'number' && from > 0 ? Math.floor(from) : 0),
      { description: 'The rows of nodes that ospatch exporter shows as metrics. Input: nothing, or the first row.' },
    );
    setHandler(messages.specQuery, () => cluster.state.spec, { description: 'The spec in force.' });
  }

  private registerRequest(name: SignalName): void {
    const { cluster } = this;
    const description = DESCRIPTIONS[name];
    const carryOut = (isRepeated: boolean) => (message: PatchNowMessage & Verification) => {
      // The state may have moved on since the validator looked.
      const why = this.reasonAgainst(name, message, isRepeated);
      if (why !== null) throw refused(why);
      return actOnRequest(cluster.state, name, message, timestamp());
    };
    setHandler(
      messages[`${name}Signal`],
      (...values: unknown[]) => {
        const arrived = arrival('signal', repeats(name));
        return this.signal({ name, values, arrived }, parseMessage, carryOut(arrived.mayBeRepeated));
      },
      { description },
    );
    setHandler(
      messages[`${name}Update`] as typeof messages.patchNowUpdate,
      (...values: unknown[]) => {
        const arrived = arrival('update', repeats(name));
        const answer = this.update({ name, values, arrived }, parseMessage, carryOut(arrived.mayBeRepeated));
        return answer as Promise<ReturnType<typeof actOnRequest<'patchNow'>>>;
      },
      {
        description,
        validator: (...values: unknown[]) => {
          const message = read(parseMessage(only(values)));
          // What is before it in the queue may change the answer.
          const why = this.queue.isBusy ? null : this.reasonAgainst(name, message, repeats(name));
          if (why !== null) throw refused(why);
        },
      },
    );
  }

  private reasonAgainst(name: SignalName, message: PatchNowMessage, isRepeated: boolean): string | null {
    return isRepeated ? REPEATED : checkRequest(this.cluster.state, name, message, timestamp());
  }

  private registerSteering(name: SteeringName): void {
    const { cluster } = this;
    const description = STEERING_DESCRIPTIONS[name];
    const parse = (value: unknown): Parsed<SteeringMessage> => parseSteering(name, value);
    const carryOut = (isRepeated: boolean) => (message: SteeringMessage & Verification) => {
      const why = this.reasonAgainstSteering(name, message, isRepeated);
      if (why !== null) throw refused(why);
      return actOnSteering(cluster.state, name, message, timestamp());
    };
    setHandler(
      messages[`${name}Signal`],
      (...values: unknown[]) => {
        const arrived = arrival('signal', repeats(name));
        return this.signal({ name, values, arrived }, parse, carryOut(arrived.mayBeRepeated));
      },
      { description },
    );
    setHandler(
      messages[`${name}Update`],
      (...values: unknown[]) => {
        const arrived = arrival('update', repeats(name));
        return this.update({ name, values, arrived }, parse, carryOut(arrived.mayBeRepeated));
      },
      {
        description,
        validator: (...values: unknown[]) => {
          const message = read(parse(only(values)));
          // What is before it in the queue may change the answer.
          const why = this.queue.isBusy ? null : this.reasonAgainstSteering(name, message, repeats(name));
          if (why !== null) throw refused(why);
        },
      },
    );
  }

  private reasonAgainstSteering(name: SteeringName, message: SteeringMessage, isRepeated: boolean): string | null {
    return isRepeated ? REPEATED : checkSteeringRequest(this.cluster.state, name, message, timestamp());
  }

  private registerApplySpec(): void {
    const apply = (message: SpecMessage & Verification): Promise<ApplySpecAnswer> =>
      this.applySpec(this.withSpec(message));
    setHandler(
      messages.applySpecSignal,
      (...values: unknown[]) => {
        const arrived = arrival('signal');
        return this.signal({ name: 'applySpec', values, arrived }, parseSpecMessage, apply);
      },
      { description: APPLY_SPEC_DESCRIPTION },
    );
    setHandler(
      messages.applySpecUpdate,
      (...values: unknown[]) => {
        const arrived = arrival('update');
        return this.update({ name: 'applySpec', values, arrived }, parseSpecMessage, apply);
      },
      {
        description: APPLY_SPEC_DESCRIPTION,
        validator: (...values: unknown[]) => {
          if (this.queue.isBusy) return;
          this.withSpec(read(parseSpecMessage(only(values))));
          this.rejectWhenRemoving();
        },
      },
    );
  }

  private async applySpec({ spec, applyId = 'none', ...message }: SpecMessage): Promise<ApplySpecAnswer> {
    const { cluster } = this;
    const inForce = cluster.state.spec;
    const checked = { ...message, applyId, spec: spec === undefined ? inForce : await checkSpec(spec, inForce) };
    const why = checkApplySpec(cluster.state, checked);
    if (why !== null) throw refused(why);
    return actOnApplySpec(cluster.state, checked, timestamp());
  }

  private registerRemove(): void {
    const { cluster } = this;
    const remove = (message: PatchNowMessage & Verification): RemoveAnswer =>
      actOnRemove(cluster.state, ofWholeCluster(message), timestamp());
    setHandler(
      messages.removeSignal,
      (...values: unknown[]) => {
        const arrived = arrival('signal');
        return this.signal({ name: 'remove', values, arrived }, parseMessage, remove);
      },
      { description: REMOVE_DESCRIPTION },
    );
    setHandler(
      messages.removeUpdate,
      (...values: unknown[]) => {
        const arrived = arrival('update');
        return this.update({ name: 'remove', values, arrived }, parseMessage, remove);
      },
      {
        description: REMOVE_DESCRIPTION,
        validator: (...values: unknown[]) => {
          ofWholeCluster(read(parseMessage(only(values))));
        },
      },
    );
  }

  /** Somebody has cancelled the workflow in Temporal, which is a removal; nobody can sign it. */
  removeByCancellation(reason: string | undefined): Promise<void> {
    const message = defined({ by: CANCELLED_BY, reason });
    const arrived: Arrival = { via: 'cancel', sender: CANCELLED_BY, sealed: false, mayBeRepeated: false };
    return this.signal({ name: 'remove', values: [message], arrived }, parseMessage, (admitted) => {
      if (this.cluster.state.removing === null) actOnRemove(this.cluster.state, admitted, timestamp());
    });
  }

  /** A signal must never fail the workflow, so what cannot be done is filed as a refusal; an update answers instead. */
  private async signal<M extends Message>(
    sent: SentMessage,
    parse: (value: unknown) => Parsed<M>,
    carryOut: (message: M & Verification) => unknown,
  ): Promise<void> {
    await this.queue.run(() => this.handle(sent, parse, carryOut).catch(() => undefined));
  }

  /** Whatever goes wrong with one request is the answer to it. */
  private async update<M extends Message, A>(
    sent: SentMessage,
    parse: (value: unknown) => Parsed<M>,
    carryOut: (message: M & Verification) => A | Promise<A>,
  ): Promise<A> {
    return this.queue.run(() => this.handle(sent, parse, carryOut).catch(failUpdate));
  }

  /** What all messages of users have in common: they are read, admitted, and then carried out, or refused and filed. */
  private async handle<M extends Message, A>(
    { name, values, arrived }: SentMessage,
    parse: (value: unknown) => Parsed<M>,
    carryOut: (message: M & Verification) => A | Promise<A>,
  ): Promise<A> {
    const { cluster } = this;
    let sender: Message & Verification = defined({ by: arrived.sender });
    try {
      const [value] = values;
      const parsed = parse(only(values));
      if (!parsed.ok && values.length === 1 && whyUnreadable(value) !== null) {
        // Asked for the record: a replay by a worker with more keys can read the message, and must refuse it as well.
        await admit(cluster.state, name, sender, value, arrived);
      }
      const message = { ...sender, ...read(parsed) };
      sender = message;
      if (this.needsNobody(name, message)) return await carryOut(message);
      const admitted = await admit(cluster.state, name, message, values[0] ?? null, arrived);
      sender = admitted.message;
      if (admitted.why !== null) throw denied(admitted.why);
      return await carryOut(admitted.message);
    } catch (failure) {
      const isForUsers = failure instanceof ApplicationFailure;
      const why = messageOf(failure, MAX_REFUSAL);
      this.refuse(name, sender, isForUsers ? why : `the request could not be handled: ${why}`);
      throw failure;
    } finally {
      cluster.changed();
    }
  }

  /** The call that has started this workflow only asks what became of its spec, which was admitted with the start. */
  private needsNobody(name: string, message: SpecMessage): boolean {
    return name === 'applySpec' && message.spec === undefined && this.isOfCreator(message);
  }

  private nodeAction(value: unknown): void {
    const action = parseNodeAction(value);
    if (action === null) return;
    noteNodeAction(this.cluster.state, action, timestamp());
    this.cluster.changed();
  }

  private notified(value: unknown): void {
    const notified = parseNotified(value);
    if (notified === null) return;
    noteNotified(this.cluster.state, notified, timestamp());
    this.cluster.changed();
  }

  private refuse(request: string, sender: Message & Verification, why: string): void {
    try {
      rejectRequest(this.cluster.state, request, sender, why, timestamp());
      this.cluster.changed();
    } catch {
      // A cluster whose first spec was refused has no place to file anything.
    }
  }

  /** Only the call that has started this workflow has sent its spec before, and may leave it out. */
  private withSpec(message: SpecMessage): SpecMessage {
    if (message.spec === undefined && !this.isOfCreator(message)) {
      throw ApplicationFailure.nonRetryable(NO_SPEC, SPEC_MISSING);
    }
    return message;
  }

  private isOfCreator({ applyId }: SpecMessage): boolean {
    return applyId === this.cluster.state.createdBy;
  }

  private rejectWhenRemoving(): void {
    const why = beingRemoved(this.cluster.state);
    if (why !== null) throw refused(why);
  }
}

/** Whether a message may be one that a reset repeats and that must not be carried out twice; a pause or a lock may be. */
function repeats(name: SignalName | SteeringName): boolean {
  return name !== 'pause' && name !== 'lock' && mayBeRepeated();
}

/** The input of a message. Several are refused like one that cannot be read. */
function only(values: readonly unknown[]): unknown {
  return values.length > 1 ? unreadable(`a message has one, and there are ${values.length}`) : values[0];
}

/** Removal is about the whole cluster. */
function reasonAgainstRemove(message: PatchNowMessage): string | null {
  const foreign = foreignField(message);
  return foreign === null ? null : `remove takes no ${foreign}; it applies to the whole cluster`;
}

function ofWholeCluster(message: PatchNowMessage): Message {
  const why = reasonAgainstRemove(message);
  if (why !== null) throw refused(why);
  return message;
}

type Parsed<M> = { ok: true; message: M } | { ok: false; why: string };

interface SentMessage {
  name: string;
  /** As they were sent; there should be one. */
  values: readonly unknown[];
  arrived: Arrival;
}

function read<M>(parsed: Parsed<M>): M {
  if (!parsed.ok) throw refused(parsed.why);
  return parsed.message;
}

function failUpdate(failure: unknown): never {
  if (failure instanceof ApplicationFailure) throw failure;
  throw ApplicationFailure.nonRetryable(`the update could not be handled: ${messageOf(failure)}`, 'Internal');
}

function messageOf(failure: unknown, max = 300): string {
  return plainText(failure instanceof Error ? failure.message : String(failure), max);
}

function refused(why: string): ApplicationFailure {
  return ApplicationFailure.nonRetryable(why, 'Refused');
}
