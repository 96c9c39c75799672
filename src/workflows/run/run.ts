/**
 * One run over a cluster: takes its members in order, as many at a time as the limits allow, and settles every one of them.
 *
 * Owns the order, the stages, the limits, the failure budget and the cursor; `nextStep` decides. Ends when all members have
 * settled. At a pause, when its budget is spent and somebody is to decide, or when its history is large, it ends with a
 * cursor from which the next workflow of the same run continues; patches of lost nodes continue without it, and the next run
 * workflow adopts them. Cancelled, it starts no further member and waits for those in flight.
 */
import { setCurrentDetails, setHandler } from '@temporalio/workflow';
import { clusterWorkflowId } from '../../contract/workflow-ids';
import {
  nodeEndedSignal,
  nodeUnreachableSignal,
  outageRequestSignal,
  progressQuery,
  restrictSignal,
} from '../../contract/messages';
import { memberName } from '../../domain/cluster/member';
import { parsePageRequest } from '../../domain/cluster/status-pages';
import { renderRunProgress } from '../../domain/render/cluster';
import { parseLost, parseOutageRequest, parseRestrictions, parseSettled } from '../../domain/run/progress-parser';
import { progressPage } from '../../domain/run/progress-page';
import type { RunInput, RunResult } from '../../domain/run/run';
import { runFailure } from '../../domain/run/run';
import { endRun } from '../shared/endings';
import { handleInternalSignals } from '../shared/internal-signals';
import { isObject, isRunOf, requireOwnId } from '../shared/own-id';
import { publishRunEnd } from '../shared/search-attributes';
import { RunLoop } from './loop';

/** @throws ApplicationFailure `RunFailed` with the report, when the run has failed */
export async function run(input: RunInput): Promise<RunResult> {
  requireOwnId((id, parent) => isOwnRun(id, input) && parent === clusterWorkflowId(input.cluster));
  const loop = new RunLoop(input, (progress) => setCurrentDetails(renderRunProgress(progress, input.policy.kind)));
  setHandler(progressQuery, (value) => progressPage(loop.progress(), parsePageRequest(value)), {
    description: `How far the run is, ${memberName(input.policy.kind)} by ${memberName(input.policy.kind)}.`,
  });
  handleInternalSignals(
    [restrictSignal, (value) => loop.restrict(parseRestrictions(value) ?? {})],
    [nodeUnreachableSignal, (value) => loop.nodeUnreachable(parseLost(value))],
    [nodeEndedSignal, (value) => loop.nodeEnded(parseSettled(value))],
    [outageRequestSignal, (value) => loop.outageRequested(parseOutageRequest(value))],
  );
  const report = await loop.execute();
  const end = report.end === 'suspended' ? 'goes on in another workflow' : report.outcome;
  setCurrentDetails(renderRunProgress(progressPage(loop.progress(), {}), input.policy.kind, end));
  publishRunEnd(report, input.searchAttributes);
  return endRun(report, runFailure(input, report));
}

function isOwnRun(id: string, { cluster, run: number, nodes, policy, restrictions }: RunInput): boolean {
  const isWhole = Array.isArray(nodes) && isObject(policy) && isObject(restrictions) && isObject(policy.limits);
  return isWhole && isRunOf(cluster, id, number);
}
