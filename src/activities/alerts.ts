/** The activities for alerts: each calls an Alertmanager through `alertmanager/` and converts the error. */
import { Context, activityInfo } from '@temporalio/activity';
import { readAlerts } from '../alertmanager/read-alerts';
import type { WantedSilence } from '../alertmanager/silences';
import { endSilences, holdSilences } from '../alertmanager/silences';
import type { ApiDeps } from '../alertmanager/api';
import type { AlertActivities, NodeSilences } from '../contract/activities/alerts';
import { hasChanged } from '../domain/alerts/gate';
import { fillMatchers } from '../domain/alerts/matchers';
import { defined } from '../domain/shared/defined';
import { OspatchError, isOspatchError } from '../domain/shared/errors';
import { MINUTE_MS, SECOND_MS } from '../domain/shared/time-units';
import type { CallHttp } from '../http/call';
import { callHttp } from '../http/call';
import { RetryLater } from '../retry/slot-release';
import { toApplicationFailure } from './errors';
import type { ActivityLog } from './node';

/** How often firing alerts are read while they hold a run. */
const READ_AGAIN_MS = 5 * SECOND_MS;

/** A run is told of other names of alerts no earlier: each time costs it some events of its history. */
const NAMES_AFTER_MS = MINUTE_MS;

/** A silence is renewed when two thirds of its lease are left, so that it survives two attempts that fail. */
const RENEWED_AFTER = 1 / 3;

/** After an attempt that has failed. */
const TRY_AGAIN_MS = 20 * SECOND_MS;

export interface AlertActivityDeps {
  /** Directory of the files that `alerts.alertmanager` names. Null: there is none. */
  secretDir: string | null;
  log: ActivityLog;
  /** For tests. */
  call?: CallHttp;
  now?: () => number;
}

export function createAlertActivities({
  secretDir,
  log,
  call = callHttp,
  now = Date.now,
}: AlertActivityDeps): AlertActivities {
  const deps = (): ApiDeps => ({ call, secretDir, signal: Context.current().cancellationSignal });

  async function converted<R>(body: () => Promise<R>): Promise<R> {
    try {
      return await body();
    } catch (error) {
      // A call that the cancellation has ended.
      if (Context.current().cancellationSignal.aborted) return await Context.current().cancelled;
      throw toApplicationFailure(error, activityInfo().attempt);
    }
  }

  return {
    readAlerts: ({ alertmanager, filter, known }) =>
      converted(async () => {
        const reading = await readAlerts(alertmanager, filter, deps());
        if (known === undefined) return reading;
        const { scheduledTimestampMs } = activityInfo();
        if (hasChanged(known, reading, now() - scheduledTimestampMs >= NAMES_AFTER_MS)) return reading;
        throw later(READ_AGAIN_MS, 'other alerts to fire or to end');
      }),

    silenceNode: ({ silences, leaseMs, keepUntil }) =>
      converted(async () => {
        if (keepUntil !== undefined && now() >= Date.parse(keepUntil)) return;
        const wanted = wantedSilences(silences);
        try {
          await holdSilences(silences.alertmanager, wanted, leaseMs, deps());
        } catch (error) {
          if (!isOspatchError(error)) throw error;
          const { node, cluster } = silences.values;
          log.warn({ cluster, node, error: error.message }, 'a silence was not made');
          throw keepUntil === undefined
            ? failed(node, error)
            : later(TRY_AGAIN_MS, `an Alertmanager (${error.message})`);
        }
        if (keepUntil !== undefined) throw later(leaseMs * RENEWED_AFTER, 'the time to renew the silences');
      }),

    endSilence: ({ silences, tailMs }) =>
      converted(() => endSilences(silences.alertmanager, wantedSilences(silences), tailMs, deps())),
  };
}

function failed(node: string, { message, remedy }: OspatchError): OspatchError {
  return new OspatchError({
    type: 'Alertmanager',
    message: `the alerts of ${node} were not silenced: ${message}`,
    ...defined({ remedy }),
  });
}

function wantedSilences({ matchers, values, workflowRunId, run }: NodeSilences): WantedSilence[] {
  const { node, cluster } = values;
  const comment = `Patch of the node ${node} of the cluster ${cluster} in run ${run}; see \`ospatch status ${cluster}\``;
  return matchers.map((one, at) => ({
    matchers: fillMatchers(one, values),
    comment,
    mark: `[${workflowRunId}/${at}]`,
  }));
}

/** Gives up the slot until then. */
function later(delayMs: number, waitingFor: string): RetryLater {
  return new RetryLater({ kind: 'alerts', observedMs: 0, maxDelayMs: delayMs }, Math.round(delayMs), waitingFor);
}
