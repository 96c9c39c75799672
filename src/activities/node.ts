/** The node activities: each connects to one node, calls one function of `node/` and converts the error. */
import { activityInfo } from '@temporalio/activity';
import { ApplicationFailure, CancelledFailure } from '@temporalio/common';
import { toInspection } from '../domain/inspection/node';
import { MINUTE_MS } from '../domain/shared/time-units';
import type { NodeStep, UnreachableNode } from '../domain/node/report';
import type { NodeTarget } from '../domain/spec/types';
import { inspectNode } from '../node/inspect';
import { readFacts } from '../node/read-facts';
import { UnreachableNotice, ReachabilityTracker } from '../node/reachability';
import { ContentionTracker } from '../node/contention';
import { knownManager } from '../node/package-managers';
import { prefetchPackages } from '../node/prefetch';
import type { NodePreflight } from '../node/preflight';
import { preflightNode } from '../node/preflight';
import type { RebootRequested } from '../domain/node/reboot';
import { rebootNode } from '../node/reboot';
import { RemoteNode } from '../node/remote-node';
import { restartServices } from '../node/restart';
import { runHook } from '../hooks/run-hook';
import { cleanOutput, wholeLines } from '../node/sanitize';
import type { Session } from '../node/session';
import { sshTarget } from '../node/ssh-target';
import { probeHostKeys } from './probe-host-keys';
import { unreachableNodes } from './unreachable-nodes';
import { applyPlan, repairPackages } from '../node/transaction';
import { inspectFailedNode } from '../node/inspect-failed';
import { StepLimit } from '../node/step-limit';
import { DEFAULT_LOCK_TIMEOUT_MS, JOB_TIMEOUT_MS, TRANSACTION_TIMEOUT_MS } from '../domain/node/time-limits';
import { RetryLater } from '../retry/slot-release';
import type { TransportPool } from '../ssh/transport';
import { ChangesInProgress, assertMayPowerCycle } from './power-cycle';
import { toApplicationFailure } from './errors';
import { failedAttempts, updateProgress, withHeartbeat, withSilentLooks } from './heartbeat';
import type { NodeActivities, PreflightInput, Watch } from '../contract/activities/node';
import { defined } from '../domain/shared/defined';

/** The used part of a pino logger. */
export interface ActivityLog {
  info(fields: Record<string, unknown>, message: string): void;
  warn(fields: Record<string, unknown>, message: string): void;
  /** A fault of ospatch. */
  error(fields: Record<string, unknown>, message: string): void;
}

export interface NodeActivityDeps {
  pool: TransportPool;
  log: ActivityLog;
  /** Directory of the programs named in `patching.powerCycleHook`; null = none. */
  hookDir: string | null;
  /** Default: Date.now. */
  now?: () => number;
  /** How long the first attempt of a wait holds its activity slot; default 30 s, for a reboot 10 min. */
  firstHoldMs?: number;
}

/**
 * Job numbers of preflight: a hundred thousand per attempt of the workflow, ten per attempt of the activity. Its jobs
 * change nothing and must not be found done from an earlier attempt, unless they are the very ones that it goes on
 * with; its repairs stay clear of the numbers of `repair`.
 */
const JOBS_PER_ATTEMPT = 100_000;
const JOBS_PER_RETRY = 10;
const RETRIES_PER_CALL = JOBS_PER_ATTEMPT / JOBS_PER_RETRY / 2;

/** A boot is awaited in place, so that its end is noticed at once: bare metal takes minutes. */
const REBOOT_HOLD_MS = 10 * MINUTE_MS;

/** Prefix of the displayed wait while a node is unreachable, whatever was attempted last. */
const UNREACHABLE = 'the node to answer';

/** Below the job numbers of preflight: the inspection after a failure, once per workflow attempt. */
const INSPECTION_JOB = 9;

/** The activities as implemented: preflight returns the full plan. */
export type OnNode = Omit<NodeActivities, 'preflight'> & {
  preflight(input: PreflightInput): Promise<NodePreflight>;
};

export function createNodeActivities(deps: NodeActivityDeps): OnNode {
  const now = deps.now ?? Date.now;
  const changes = new ChangesInProgress();

  async function onNode<R>(
    step: NodeStep,
    target: NodeTarget,
    limits: Watch & { limitMs: number; giveUpAs: 'Unreachable' | 'UnreachableAfterChange'; lockTimeoutMs?: number },
    body: (session: Session) => Promise<R>,
    {
      over,
      ownLogin = false,
      leaveNothing = false,
    }: { over?: AbortSignal; ownLogin?: boolean; leaveNothing?: boolean } = {},
  ): Promise<R> {
    const { attempt } = activityInfo();
    const fields = { cluster: target.cluster, node: target.name, step };
    return withSilentLooks(step, async ({ signal: cancelled, details, send, hold, elapsedMs }) => {
      const signal = over === undefined ? cancelled : AbortSignal.any([cancelled, over]);
      const transport = ownLogin ? deps.pool.ownTransport(sshTarget(target)) : deps.pool.transport(sshTarget(target));
      const node = new RemoteNode(target, transport, signal, {
        leaveNothing,
        onNotice: (notice) => deps.log.warn({ ...fields, notice }, 'a node is not as it was left'),
      });
      const show: Session['show'] = (progress) => {
        if (updateProgress(details, progress, now())) send();
      };
      // A retry of this call knows more than the previous call.
      if (attempt === 1) details.unreachableMs = limits.observedMs ?? 0;
      const reachability = new ReachabilityTracker({
        node: target.name,
        limitMs: limits.limitMs,
        giveUpAs: limits.giveUpAs,
        ...defined({ noticeMs: limits.noticeAfterMs }),
        signal,
        now,
        observedMs: details.unreachableMs,
        hold: hold('unreachable', { firstMs: deps.firstHoldMs ?? (step === 'reboot' ? REBOOT_HOLD_MS : undefined) }),
        onObserved: (ms) => {
          details.unreachableMs = ms;
        },
        onWaiting: (waitingFor) => {
          if (details.waitingFor !== waitingFor) deps.log.warn({ ...fields, waitingFor }, 'node is unreachable');
          // Before its notice, a first call has not observed the whole wait.
          const isWhole = limits.giveUpAs === 'UnreachableAfterChange' || limits.observedMs !== undefined;
          const waitingUntil = isWhole
            ? new Date(now() + limits.limitMs - details.unreachableMs).toISOString()
            : undefined;
          const goesOn = details.waitingFor?.startsWith(UNREACHABLE) === true;
          const since = goesOn ? details.waitingSince : undefined;
          const waitingSince = since ?? new Date(now() - details.unreachableMs).toISOString();
          show({ waitingFor, waitingSince, waitingUntil });
        },
        onBack: () => show({ waitingFor: undefined }),
      });
      const transaction = {
        // A retry of this call knows more than the previous call.
        followedMs: Math.max(details.jobMs ?? 0, limits.jobMs ?? 0),
        isReported: limits.jobMs !== undefined,
        note: (ms: number) => {
          details.jobMs = ms;
        },
      };
      try {
        const others = new ContentionTracker({
          now,
          ...defined({ carried: details.others }),
          onChange: (seen) => {
            if (seen === null) delete details.others;
            else details.others = seen;
          },
          hold: hold('others', { firstMs: deps.firstHoldMs }),
        });
        const isChange = limits.giveUpAs === 'UnreachableAfterChange';
        const limit = new StepLimit({
          ...{ node: target.name, step, limitMs: stepLimitMs(limits) },
          elapsedMs: () => (limits.jobMs ?? 0) + elapsedMs(),
          // A caller that asks for no notice has had one.
          noticeDue: isChange ? limits.noticeAfterMs !== undefined && limits.jobMs === undefined : undefined,
        });
        const session = { node, reachability, others, jobs: (details.jobs ??= {}), signal, now, show, limit };
        return await body(isChange ? { ...session, transaction } : session);
      } finally {
        if (ownLogin) transport.close();
      }
    }).catch((error: unknown) => {
      if (error instanceof UnreachableNotice) throw error;
      const failure = toApplicationFailure(error, failedAttempts());
      if (error instanceof RetryLater) {
        deps.log.info(
          { ...fields, attempt, waitingFor: error.waitingFor, nextInMs: error.delayMs },
          'waiting for the node',
        );
        throw failure;
      }
      // The stack is logged on the worker only; failures in a history carry none.
      if (failure instanceof ApplicationFailure && failure.type === 'Internal') {
        deps.log.error({ ...fields, attempt, err: error }, 'unexpected error in a node activity');
      } else deps.log.info({ ...fields, attempt, error: failure.message }, 'node activity ended early');
      throw failure;
    });
  }

  /** Nothing cuts the power of the node meanwhile. */
  function changeNode<R>(
    step: 'apply' | 'repair' | 'restart',
    target: NodeTarget,
    watch: Watch & { lostTimeoutMs: number },
    body: (session: Session) => Promise<R>,
  ): Promise<R> {
    return changes.during(target, () => onNode(step, target, lost(watch), body));
  }

  return {
    preflight: ({ target, token, attempt, unreachableTimeoutMs, observedMs, ...wanted }) =>
      onNode(
        'preflight',
        target,
        { ...unreachable(unreachableTimeoutMs, observedMs), ...defined({ lockTimeoutMs: wanted.lockTimeoutMs }) },
        (session) => {
          const number = firstJob(attempt, observedMs !== undefined);
          return preflightNode(session, { ...wanted, token, firstJob: number });
        },
      ),

    prefetch: ({
      target,
      token,
      attempt,
      packages,
      lockTimeoutMs,
      packageManager,
      planDigest,
      planned,
      unreachableTimeoutMs,
    }) =>
      onNode('prefetch', target, { ...unreachable(unreachableTimeoutMs), ...defined({ lockTimeoutMs }) }, (session) =>
        prefetchPackages(
          session,
          { token, number: attempt },
          { digest: planDigest, count: planned },
          { manager: knownManager(packageManager), packages, lockTimeoutMs },
        ),
      ),

    apply: ({
      target,
      token,
      attempt,
      packages,
      lockTimeoutMs,
      packageManager = 'apt',
      planDigest,
      planned,
      beginByMs,
      ...watch
    }) =>
      changeNode('apply', target, watch, (session) =>
        applyPlan(
          session,
          { token, number: attempt },
          { digest: planDigest, count: planned },
          { manager: knownManager(packageManager), packages, lockTimeoutMs, beginByMs },
        ),
      ).catch(reportUnreachable),

    repair: ({ target, token, attempt, packages, lockTimeoutMs, packageManager = 'apt', ...watch }) =>
      changeNode('repair', target, watch, (session) =>
        repairPackages(
          session,
          { token, number: attempt },
          { manager: knownManager(packageManager), packages, lockTimeoutMs },
        ),
      ).catch(reportUnreachable),

    restart: ({ target, token, attempt, policy, drained, beginByMs, ...watch }) =>
      changeNode('restart', target, watch, (session) =>
        restartServices(session, { token, number: attempt }, policy, drained, beginByMs),
      ).catch(reportUnreachable),

    reboot: ({ target, bootId, command, beginByMs, ...watch }) => {
      // The progress of an earlier call is unknown here.
      let asked: RebootRequested = activityInfo().attempt > 1 || watch.observedMs !== undefined ? 'unknown' : 'no';
      const note = (now: RebootRequested): void => {
        if (asked !== 'yes') asked = now;
      };
      return onNode('reboot', target, lost(watch), (session) =>
        rebootNode(session, bootId, { command, beginByMs }, note),
      ).catch((error: unknown) => {
        if (error instanceof CancelledFailure) throw new CancelledFailure(error.message, [{ rebootRequested: asked }]);
        return reportUnreachable(error);
      });
    },

    powerCycle: ({ target, hook }) =>
      withHeartbeat('reboot', async ({ signal }) => {
        await assertMayPowerCycle(target, { changes, pool: deps.pool, signal });
        await runHook(deps.hookDir, hook, target, signal);
      }).catch((error: unknown) => {
        throw toApplicationFailure(error, activityInfo().attempt);
      }),

    inspectFailedNode: ({ target, token, attempt, packages, unreachableTimeoutMs }) =>
      onNode('verify', target, unreachable(unreachableTimeoutMs), (session) => {
        const number = attempt * JOBS_PER_ATTEMPT + INSPECTION_JOB;
        return inspectFailedNode(session, { token, number, packages });
      }),

    unreachableNodes: ({ targets }) => unreachableNodes(deps.pool, targets),

    probeHostKeys: ({ targets }) => probeHostKeys(deps.pool, targets),

    readFacts: ({ target, unreachableTimeoutMs, observedMs }) =>
      onNode('verify', target, unreachable(unreachableTimeoutMs, observedMs), async (session) => {
        const { facts } = await readFacts(session);
        return facts;
      }),

    inspectNode: async ({ target, policy, ineffectiveReboot, unreachableTimeoutMs, ...input }) => {
      const leaveNothing = input.changeNothing === true;
      const over = new AbortController();
      const inspect = async (session: Session) => {
        const limits = { factsMs: input.factsLimitMs, planMs: input.planLimitMs };
        const { packages } = policy;
        const observed = await inspectNode(session, limits, { packages, ineffectiveReboot, tryStart: !leaveNothing });
        return toInspection(target.name, observed, policy);
      };
      try {
        return await onNode('preflight', target, unreachable(unreachableTimeoutMs), inspect, {
          over: over.signal,
          // An existing connection would hide that logins fail.
          ownLogin: true,
          leaveNothing,
        });
      } finally {
        // Aborts calls that still wait for an unreachable node.
        over.abort();
      }
    },

    readLog: ({ target, token, maxBytes, unreachableTimeoutMs }) =>
      onNode('verify', target, unreachable(unreachableTimeoutMs), async (session) => {
        // One extra byte shows whether the log is longer.
        const log = await session.reachability.whenReachable(() => session.node.log(token, maxBytes + 1));
        const truncated = log.length > maxBytes;
        const kept = log.subarray(Math.max(0, log.length - maxBytes)).toString();
        return { log: cleanOutput(truncated ? wholeLines(kept) : kept), truncated };
      }),
  };
}

/**
 * First number for jobs that change nothing, in this attempt of the activity and of the workflow. `again`: for the
 * second call in that workflow attempt, whose activity attempts are counted separately.
 */
function firstJob(attempt: number, again = false): number {
  const retry = again ? RETRIES_PER_CALL + Math.min(jobRetry(), RETRIES_PER_CALL - 1) : jobRetry();
  return attempt * JOBS_PER_ATTEMPT + retry * JOBS_PER_RETRY;
}

/** Before any change on the node: fails after `limitMs`. */
function unreachable(
  limitMs: number,
  observedMs?: number,
): { limitMs: number; giveUpAs: 'Unreachable'; observedMs?: number } {
  return { limitMs, giveUpAs: 'Unreachable', ...defined({ observedMs }) };
}

/** The sum of the limits of all waits of a step: one after the other, each may come once. */
function stepLimitMs({
  limitMs,
  giveUpAs,
  lockTimeoutMs = DEFAULT_LOCK_TIMEOUT_MS,
}: {
  limitMs: number;
  giveUpAs: 'Unreachable' | 'UnreachableAfterChange';
  lockTimeoutMs?: number;
}): number {
  return limitMs + JOB_TIMEOUT_MS + (giveUpAs === 'Unreachable' ? lockTimeoutMs : TRANSACTION_TIMEOUT_MS);
}

/** After a change on the node. */
function lost({ lostTimeoutMs, ...watch }: Watch & { lostTimeoutMs: number }): Watch & {
  limitMs: number;
  giveUpAs: 'UnreachableAfterChange';
} {
  return { ...watch, limitMs: lostTimeoutMs, giveUpAs: 'UnreachableAfterChange' };
}

function reportUnreachable(error: unknown): UnreachableNode {
  if (!(error instanceof UnreachableNotice)) throw error;
  const { observedMs, message, jobMs } = error;
  return { state: 'unreachable', observedMs, message, ...defined({ jobMs }) };
}

function jobRetry(): number {
  return Math.min(activityInfo().attempt, JOBS_PER_ATTEMPT / JOBS_PER_RETRY - 1);
}
