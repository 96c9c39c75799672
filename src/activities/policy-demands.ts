/** What each activity asks of the worker, in the words of its policy. */
import type { Demand } from '../domain/policy/request';
import { alertmanagerDemands, awsDemand, kubernetesDemand, listed, loginDemands } from '../domain/policy/request';
import type { ActivityRequest } from './input/place';

/**
 * The demands of an activity for its cluster. Each inner list must be allowed by one rule; an empty one needs a rule for the
 * cluster, and no list at all needs none.
 */
export function policyDemands(request: ActivityRequest): Demand[][] {
  switch (request.activity) {
    case 'preflight':
    case 'prefetch':
    case 'apply':
    case 'repair':
    case 'restart':
    case 'inspectFailedNode':
    case 'readFacts':
    case 'inspectNode':
    case 'readLog':
      return [loginDemands(request.input.target)];
    case 'unreachableNodes':
    case 'probeHostKeys':
      return request.input.targets.map((target) => loginDemands(target));
    case 'reboot': {
      const { target, command } = request.input;
      const program = command === undefined ? [] : [listed('rebootCommands', 'patching.rebootCommand', command)];
      return [[...loginDemands(target), ...program]];
    }
    case 'powerCycle': {
      // The worker logs in first, to see whether the node answers.
      const { target, hook } = request.input;
      return [[...loginDemands(target), listed('powerCycleHooks', 'patching.powerCycleHook', hook)]];
    }
    case 'drainPreview':
    case 'cordon':
    case 'drain':
    case 'awaitHealthy':
    case 'uncordon':
    case 'awaitWorkloads':
      return [[kubernetesDemand(request.input.target.access)]];
    case 'outOfService':
    case 'findStaleCordons':
      return [[kubernetesDemand(request.input.access)]];
    case 'listNodegroups':
    case 'describeNodegroup':
    case 'beginNodegroupUpdate':
    case 'followNodegroupUpdate':
    case 'inspectEksCluster':
      return [[awsDemand(request.input.access)]];
    case 'readAlerts':
      return [alertmanagerDemands(request.input.alertmanager)];
    case 'silenceNode':
    case 'endSilence':
      return [alertmanagerDemands(request.input.silences.alertmanager)];
    case 'nextWindowsByFiles':
      return [
        request.input.blackouts.flatMap((blackout) =>
          'ical' in blackout ? [listed('calendars', 'patching.blackouts.ical', blackout.ical)] : [],
        ),
      ];
    // What a target asks for is found out by reading its secrets; the activity judges it as a whole.
    case 'notify':
    case 'recordAudit':
    case 'cancelChildren':
      return [[]];
    // They compute, or read the workflows of the cluster. What a run does then is denied, where a person sees it.
    case 'notificationDefaults':
    case 'lastRun':
    case 'explainPolicy':
    case 'awaitNodePatches':
    case 'awaitWorkflowClosed':
    case 'nextWindows':
    case 'checkSpec':
    case 'checkFirstSpec':
    case 'checkState':
    case 'searchAttributes':
    // Reads the policy itself: who may ask for what is another question than what the worker may be asked for.
    case 'admit':
      return [];
  }
}
