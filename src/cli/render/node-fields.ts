/** Everything that the status of a cluster knows of one member. */
import { senderText } from '../../domain/shared/verification';
import type { LiveStatus } from '../../client/live-status';
import { isNode } from '../../domain/cluster/member';
import type { MemberStatus } from '../../domain/cluster/member';
import type { LiveNode } from '../../domain/explain/explanation';
import type { NodeStatus } from '../../domain/node/status';
import { lockAt } from '../../domain/node/status';
import { asSentence } from '../../domain/shared/text';
import type { StatusView } from './member-cells';
import { colorState, shownState, stepOf, waitOf } from './member-cells';
import { NONE, formatElapsed, formatTime, oneLine } from './text';

const MAX_TEXT = 1_000;

/** Names and values; null: the cluster has no such member. */
export function nodeFields(status: LiveStatus, name: string, view: StatusView): [string, string][] | null {
  const node = status.nodes.find((one) => one.name === name);
  if (node === undefined) return null;
  const live = status.current.find((one) => one.node === name);
  return [
    ['State', colorState(shownState(node, view.now), node.state, view.color)],
    ...(live === undefined ? [] : workFields(live, view)),
    ...errorFields(node),
    ['Last Applied Patch Time', formatTime(node.lastAppliedPatchTime, view.zone)],
    ['Patched Version', oneLine(node.patchedVersion)],
    ...(isNode(node) ? machineFields(node, view) : []),
    ['Last checked', formatTime(node.lastCheckedTime, view.zone)],
    ...node.warnings.flatMap(({ message, remedy }): [string, string][] => [
      ['Warning', asSentence(oneLine(message, MAX_TEXT))],
      ...fixOf(remedy),
    ]),
  ];
}

function workFields(live: LiveNode, { now }: StatusView): [string, string][] {
  const wait = waitOf(live, now);
  return [
    ['Step', `${stepOf(live)}, in work for ${formatElapsed(live.startedAt, now)}`],
    ...(wait === null ? [] : [['Waits', wait] as [string, string]]),
    ...live.blocked.map(({ namespace, name, why, since }): [string, string] => [
      'Pod',
      `${oneLine(namespace)}/${oneLine(name)}: ${oneLine(why)}, for ${formatElapsed(since, now)}`,
    ]),
    ...(live.lastFailure === null
      ? []
      : [['Attempt', `${live.attempt}: ${oneLine(live.lastFailure, MAX_TEXT)}`] as [string, string]]),
  ];
}

function errorFields({ lastError }: MemberStatus): [string, string][] {
  if (lastError === null) return [];
  return [
    ['Error', asSentence(`${lastError.type}: ${oneLine(lastError.message, MAX_TEXT)}`)],
    ...fixOf(lastError.remedy),
  ];
}

function machineFields(node: NodeStatus, { now, zone }: StatusView): [string, string][] {
  const lock = lockAt(node, now);
  const reason = lock === null || lock.reason === null ? '' : `: ${oneLine(lock.reason, MAX_TEXT)}`;
  return [
    ['Kernel', oneLine(node.kernel)],
    ['Role', node.role],
    ['Pending', node.pendingUpdates === null ? NONE : String(node.pendingUpdates)],
    ['Reboot', node.rebootRequired === null ? NONE : node.rebootRequired ? 'required' : 'no'],
    ['Boot patch', node.bootPatch],
    ...(lock === null
      ? []
      : [
          [
            'Lock',
            `by ${oneLine(senderText(lock))}${lock.until === null ? '' : ` until ${formatTime(lock.until, zone)}`}${reason}`,
          ] as [string, string],
        ]),
    ...(node.quarantine === undefined
      ? []
      : [['Quarantine', asSentence(oneLine(node.quarantine.message, MAX_TEXT))] as [string, string]]),
    ...(node.hostKeyAlarm === undefined
      ? []
      : [
          [
            'Alarm',
            asSentence(oneLine(`it shows a trusted host key again, after: ${node.hostKeyAlarm}`, MAX_TEXT)),
          ] as [string, string],
        ]),
  ];
}

function fixOf(remedy: string | null | undefined): [string, string][] {
  return remedy === null || remedy === undefined ? [] : [['Fix', oneLine(remedy, MAX_TEXT)]];
}
