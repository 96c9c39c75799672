/** The messages of a cluster workflow: checked, filed and answered here, carried out by its loop. */
import { ApplicationFailure, setDefaultSignalHandler, setDefaultUpdateHandler, setHandler } from '@temporalio/workflow';
import type { ClusterState } from '../../domain/cluster/state';
import type { ApplySpecMessage, SignalName } from '../../domain/cluster/messages';
import { SIGNALS, parseMessage } from '../../domain/cluster/messages';
import {
  actOnApplySpec,
  actOnRemove,
  actOnRequest,
  checkApplySpec,
  checkRequest,
  refuseRequest,
} from '../../domain/cluster/requests';
import { validateSpecObject } from '../../domain/spec/parse';
import { toStatus } from '../../domain/cluster/status';
import * as messages from '../../contract/messages';

const DESCRIPTIONS: Record<SignalName, string> = {
  patchNow: 'Patch now. Input: nothing for all nodes, or {"nodes": ["w-1"], "reason": "...", "by": "..."}.',
  pause: 'Start no further node and no run until resumed. Input: nothing, or {"reason": "...", "by": "..."}.',
  resume: 'Undo pause. Input: nothing, or {"by": "..."}.',
  cancelRun: 'Cancel the run in progress; a package transaction that has begun is finished. Input: nothing.',
};

export interface ClusterEvents {
  /** Something was filed: the loop has to look. */
  changed(): void;
  news(value: unknown): void;
  explain(): string;
}

export function registerHandlers(state: ClusterState, events: ClusterEvents): void {
  for (const name of SIGNALS) registerRequest(state, events, name);
  registerApplySpec(state, events);
  registerRemove(state, events);

  setHandler(messages.runProgressSignal, (value) => events.news(value), {
    description: 'From the rollout: nodes have settled.',
  });
  setHandler(messages.statusQuery, () => toStatus(state), { description: 'The cluster and every node of it.' });
  setHandler(messages.nodesQuery, () => state.nodes, { description: 'Every node of the cluster.' });
  setHandler(messages.historyQuery, () => ({ createdAt: state.createdAt, runs: state.runs, windows: state.windows }), {
    description: 'The last 20 runs and the last 20 windows, oldest first.',
  });
  setHandler(messages.explainQuery, () => events.explain(), { description: 'Why the cluster does what it does now.' });
  setHandler(messages.specQuery, () => state.spec, { description: 'The spec in force.' });

  setDefaultSignalHandler((name) => {
    refuseRequest(state, `signal ${name}`, undefined, `no such signal; there are ${SIGNALS.join(', ')}`, timestamp());
    events.changed();
  });
  setDefaultUpdateHandler((name) => {
    throw refused(`no such update: ${name}; there are ${SIGNALS.join(', ')}, applySpec, remove`);
  });
}

/** A signal must never fail the workflow, so what cannot be done is filed as a refusal; an update answers instead. */
function registerRequest(state: ClusterState, events: ClusterEvents, name: SignalName): void {
  const description = DESCRIPTIONS[name];
  setHandler(
    messages[`${name}Signal`],
    (value?: unknown) => {
      const parsed = parseMessage(value);
      const why = parsed.ok ? checkRequest(state, name, parsed.message) : parsed.why;
      if (parsed.ok && why === null) actOnRequest(state, name, parsed.message, timestamp());
      else refuseRequest(state, name, parsed.ok ? parsed.message.by : undefined, why ?? '', timestamp());
      events.changed();
    },
    { description },
  );
  setHandler(
    messages[`${name}Update`] as typeof messages.patchNowUpdate,
    (value?: unknown) => {
      const parsed = parseMessage(value);
      // The state may have moved on since the validator looked.
      const why = parsed.ok ? checkRequest(state, name, parsed.message) : parsed.why;
      if (!parsed.ok || why !== null) throw refused(why ?? '');
      const answer = actOnRequest(state, name, parsed.message, timestamp());
      events.changed();
      return answer as ReturnType<typeof actOnRequest<'patchNow'>>;
    },
    {
      description,
      validator: (value?: unknown) => {
        const parsed = parseMessage(value);
        const why = parsed.ok ? checkRequest(state, name, parsed.message) : parsed.why;
        if (why !== null) throw refused(why);
      },
    },
  );
}

function registerApplySpec(state: ClusterState, events: ClusterEvents): void {
  setHandler(
    messages.applySpecUpdate,
    (value?: unknown) => {
      const answer = actOnApplySpec(state, readApplySpec(state, value), timestamp());
      events.changed();
      return answer;
    },
    {
      description: 'Put a spec into force at once. Input: {"spec": {...}, "applyId": "..."}.',
      validator: (value?: unknown) => {
        readApplySpec(state, value);
      },
    },
  );
}

function registerRemove(state: ClusterState, events: ClusterEvents): void {
  setHandler(
    messages.removeUpdate,
    (value?: unknown) => {
      const parsed = parseMessage(value);
      if (!parsed.ok) throw refused(parsed.why);
      const answer = actOnRemove(state, parsed.message);
      events.changed();
      return answer;
    },
    {
      description: 'Stop managing this cluster: cancel the run in progress, then end. Nodes stay as they are.',
      validator: (value?: unknown) => {
        const parsed = parseMessage(value);
        if (!parsed.ok) throw refused(parsed.why);
      },
    },
  );
}

function readApplySpec(state: ClusterState, value: unknown): ApplySpecMessage {
  const message =
    typeof value === 'object' && value !== null ? (value as Partial<Record<keyof ApplySpecMessage, unknown>>) : {};
  const checked = validateSpecObject(message.spec);
  if (!checked.ok) {
    throw ApplicationFailure.nonRetryable(`the spec is not valid: ${checked.problems.join('; ')}`, 'InvalidSpec');
  }
  const applyId = typeof message.applyId === 'string' ? message.applyId : 'none';
  const read: ApplySpecMessage = { spec: checked.spec, applyId };
  const why = checkApplySpec(state, read);
  if (why !== null) throw refused(why);
  return read;
}

function refused(why: string): ApplicationFailure {
  return ApplicationFailure.nonRetryable(why, 'Refused');
}

function timestamp(): string {
  return new Date(Date.now()).toISOString();
}
