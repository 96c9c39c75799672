import type { QueryDefinition, SignalDefinition, UpdateDefinition } from '@temporalio/common';
import type { Notified } from '../domain/cluster/notified';
import type { Report } from '../domain/notifications/report';
import type { AnyTarget } from '../domain/notifications/types';
import type {
  ApplySpecAnswer,
  CancelRunAnswer,
  ClusterHistory,
  ClusterSummary,
  Message,
  NodesPage,
  PageRequest,
  PatchNowAnswer,
  PatchNowMessage,
  PauseAnswer,
  ReleaseAnswer,
  RemoveAnswer,
  StatusPage,
} from '../domain/cluster/messages';
import type { SpecMessage } from '../domain/cluster/spec-message';
import type { SteeringAnswer, SteeringMessage } from '../domain/cluster/steering';
import type { EventsPage, EventsRequest } from '../domain/cluster/event-pages';
import type { NodeAction } from '../domain/cluster/node-actions';
import type { RowsPage } from '../domain/cluster/published';
import type { MemberSettled, PatchRecord } from '../domain/cluster/member';
import type { LostNode, OutageRequest, RunProgressPage, RunProgress, RunRestrictions } from '../domain/run/run';
import type { RunWindow } from '../domain/run/window-end';
import type { ClusterSpec } from '../domain/spec/types';

// Those of the SDK are part of the library of workflows, which a client has no other use for and would load for nothing.
const defineSignal = <Args extends unknown[] = []>(name: string) =>
  ({ type: 'signal', name }) as SignalDefinition<Args>;
const defineQuery = <Result, Args extends unknown[] = []>(name: string) =>
  ({ type: 'query', name }) as QueryDefinition<Result, Args>;
const defineUpdate = <Result, Args extends unknown[] = []>(name: string) =>
  ({ type: 'update', name }) as UpdateDefinition<Result, Args>;

/** Signals and updates of the cluster workflow share their names. Signals never fail; updates answer. */
export const patchNowSignal = defineSignal<[PatchNowMessage?]>('patchNow');
export const pauseSignal = defineSignal<[Message?]>('pause');
export const resumeSignal = defineSignal<[Message?]>('resume');
export const cancelRunSignal = defineSignal<[Message?]>('cancelRun');
export const applySpecSignal = defineSignal<[SpecMessage]>('applySpec');
export const removeSignal = defineSignal<[Message?]>('remove');

export const patchNowUpdate = defineUpdate<PatchNowAnswer, [PatchNowMessage]>('patchNow');
export const pauseUpdate = defineUpdate<PauseAnswer, [Message]>('pause');
export const resumeUpdate = defineUpdate<PauseAnswer, [Message]>('resume');
export const cancelRunUpdate = defineUpdate<CancelRunAnswer, [Message]>('cancelRun');
export const applySpecUpdate = defineUpdate<ApplySpecAnswer, [SpecMessage]>('applySpec');
export const removeUpdate = defineUpdate<RemoveAnswer, [Message]>('remove');

export const skipSignal = defineSignal<[SteeringMessage]>('skip');
export const retrySignal = defineSignal<[SteeringMessage]>('retry');
export const setConcurrencySignal = defineSignal<[SteeringMessage]>('setConcurrency');
export const setMaxFailuresSignal = defineSignal<[SteeringMessage]>('setMaxFailures');
export const extendWindowSignal = defineSignal<[SteeringMessage]>('extendWindow');
export const lockSignal = defineSignal<[SteeringMessage]>('lock');
export const unlockSignal = defineSignal<[SteeringMessage]>('unlock');

export const skipUpdate = defineUpdate<SteeringAnswer, [SteeringMessage]>('skip');
export const retryUpdate = defineUpdate<SteeringAnswer, [SteeringMessage]>('retry');
export const setConcurrencyUpdate = defineUpdate<SteeringAnswer, [SteeringMessage]>('setConcurrency');
export const setMaxFailuresUpdate = defineUpdate<SteeringAnswer, [SteeringMessage]>('setMaxFailures');
export const extendWindowUpdate = defineUpdate<SteeringAnswer, [SteeringMessage]>('extendWindow');
export const lockUpdate = defineUpdate<SteeringAnswer, [SteeringMessage]>('lock');
export const unlockUpdate = defineUpdate<SteeringAnswer, [SteeringMessage]>('unlock');

export const STEERING_UPDATES = {
  skip: skipUpdate,
  retry: retryUpdate,
  setConcurrency: setConcurrencyUpdate,
  setMaxFailures: setMaxFailuresUpdate,
  extendWindow: extendWindowUpdate,
  lock: lockUpdate,
  unlock: unlockUpdate,
} as const;

export const statusQuery = defineQuery<StatusPage, [PageRequest?]>('status');
export const nodesQuery = defineQuery<NodesPage, [PageRequest?]>('nodes');
export const summaryQuery = defineQuery<ClusterSummary>('summary');
export const historyQuery = defineQuery<ClusterHistory>('history');
export const nodeMetricsQuery = defineQuery<RowsPage, [number?]>('nodeMetrics');
export const eventsQuery = defineQuery<EventsPage, [EventsRequest?]>('events');
export const explainQuery = defineQuery<string>('explain');
export const specQuery = defineQuery<ClusterSpec>('spec');

/** From a run workflow to its cluster. */
export const runProgressSignal = defineSignal<[RunProgress]>('runProgress');

/** From a workflow of a node to its cluster: what somebody has done there. */
export const nodeActionSignal = defineSignal<[NodeAction]>('nodeAction');

/** From the notifier of a subject to its cluster: what has become of a message. */
export const notifiedSignal = defineSignal<[Notified]>('notified');

/** From a cluster to the notifier of a subject: the newest report, and who is told. */
export const reportSignal = defineSignal<[{ report: Report; targets: AnyTarget[] }]>('report');

/** From a cluster to its run workflow. */
export const restrictSignal = defineSignal<[RunRestrictions]>('restrict');
export const progressQuery = defineQuery<RunProgressPage, [Pick<PageRequest, 'from' | 'limit'>?]>('progress');

/** From a run workflow to its node patch. */
export const forbidRebootsSignal = defineSignal('forbidReboots');
/** The window has another end; null: none. */
export const windowSignal = defineSignal<[RunWindow | null]>('window');

/** Somebody has left the node out, for this reason: nothing begins that has not begun. */
export const withdrawSignal = defineSignal<[string]>('withdraw');

/** From a node patch to its run, before the node is taken out of service, and the answer. */
export const outageRequestSignal = defineSignal<[OutageRequest]>('requestOutage');
export const outageAnswerSignal = defineSignal<[{ granted: boolean }]>('answerOutage');

/** From the run workflow that has taken a node patch over, which does not see it end as its parent would. */
export const reportEndSignal = defineSignal('reportEnd');

/** From a user to a node patch. */
export const releaseUpdate = defineUpdate<ReleaseAnswer, [Message]>('release');

/** From a node patch to its run workflow. */
export const nodeUnreachableSignal = defineSignal<[LostNode]>('nodeUnreachable');

/** From a node patch that has outlived its run workflow, or may have, to the current run workflow. */
export const nodeEndedSignal = defineSignal<[MemberSettled]>('nodeEnded');

/** The current record of a node patch. */
export const nodePatchQuery = defineQuery<PatchRecord>('nodePatch');

/** The names of the signals that workflows send each other. */
const INTERNAL_SIGNALS: readonly string[] = [
  runProgressSignal,
  nodeActionSignal,
  notifiedSignal,
  reportSignal,
  restrictSignal,
  forbidRebootsSignal,
  windowSignal,
  withdrawSignal,
  outageRequestSignal,
  outageAnswerSignal,
  reportEndSignal,
  nodeUnreachableSignal,
  nodeEndedSignal,
].map(({ name }) => name);

/** Whether only workflows send signals of this name. */
export function isInternalSignal(name: string): boolean {
  return INTERNAL_SIGNALS.includes(name);
}
