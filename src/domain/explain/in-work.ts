/** Why a member that is in work does not get on. */
import { isNode, memberNameOf } from '../cluster/member';
import { isLost } from '../node/status';
import type { Explanation, LiveNode } from './explanation';
import type { Situation } from './situation';
import { explanation } from './explanation';

/** Waits of a changed node, and of an uncordon, which a person may end. */
const RELEASABLE: readonly (LiveNode['step'] | null)[] = ['reboot', 'verify', 'uncordon'];

/** One sentence for each thing that the member waits for; empty for one that waits for nothing. */
export function explainInWork(situation: Situation, member: LiveNode): Explanation[] {
  const { status } = situation;
  const { node, lastFailure, attempt, step } = member;
  const waits = waitOf(situation, member);
  if (waits.length > 0 || lastFailure === null) return waits;
  const where = step === null ? '' : ` of its step ${step}`;
  return [
    explanation(
      'retrying',
      `${node} does not get on`,
      `attempt ${attempt}${where} follows one that failed: ${lastFailure}`,
      {
        since: member.startedAt,
        change: [`ospatch cancel ${status.cluster}`],
      },
    ),
  ];
}

function waitOf(situation: Situation, member: LiveNode): Explanation[] {
  const { status } = situation;
  const { cluster } = status;
  const { node, step, waitingFor, waitingSince, waitingUntil } = member;
  if (member.state === 'waiting') {
    const holder = member.heldBy ?? 'another run';
    return [
      explanation('other-run', `${node} is not patched`, `${holder} works on this ${memberNameOf(status.type)}`, {
        since: member.startedAt,
        change: [`ospatch cancel ${cluster}`],
      }),
    ];
  }
  if (waitingFor === null) return [];
  const what = step === null ? `${node} does not get on` : `${node} does not get past its step ${step}`;
  const times = { since: waitingSince ?? member.startedAt, until: waitingUntil };
  const because = `it waits for ${waitingFor}`;
  const queue = /^a worker of task queue (\S+)/.exec(waitingFor)?.[1];
  if (queue !== undefined) {
    return [explanation('no-worker', what, because, { ...times, change: [`ospatch worker --task-queue ${queue}`] })];
  }
  const [first] = member.blocked;
  if (step === 'drain' && first !== undefined) {
    return member.blocked.map(({ namespace, name, why, since }) =>
      explanation('pods', what, `pod ${namespace}/${name} is still there: ${why}`, {
        ...{ since, until: waitingUntil },
        change: podChange(namespace, name, why),
      }),
    );
  }
  if (waitingFor.startsWith('other nodes to come back'))
    return [
      explanation('others-unavailable', `${node} is not taken out of service`, because, {
        ...times,
        change: [`ospatch check ${cluster} shows what is wrong with the others`, `ospatch release ${cluster} ${node}`],
      }),
    ];
  const lost = status.nodes.some((row) => row.name === node && isNode(row) && isLost(row));
  if (lost || /^the node to (answer|come back|go down)/.test(waitingFor)) {
    const mayRelease = lost || RELEASABLE.includes(step);
    return [
      explanation('unreachable', what, because, {
        ...times,
        change: mayRelease ? [`ospatch release ${cluster} ${node}`] : [`ospatch cancel ${cluster}`],
      }),
    ];
  }
  if (/\block\b/.test(waitingFor))
    return [
      explanation('package-lock', what, because, {
        ...times,
        change: [`end that program on ${node}`, `ospatch cancel ${cluster}`],
      }),
    ];
  return [explanation('waiting', what, because, times)];
}

function podChange(namespace: string, name: string, why: string): string[] {
  const budget = /\bbudget (\S+) of namespace/.exec(why)?.[1];
  return budget === undefined
    ? [`kubectl -n ${namespace} describe pod ${name}`]
    : [`kubectl -n ${namespace} describe poddisruptionbudget ${budget}`];
}
