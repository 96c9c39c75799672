/** Why a member that is in work does not get on. */
import { isNode, memberNameOf } from '../cluster/member';
import { isLost } from '../node/status';
import { isAlertHold } from '../alerts/gate';
import { describeHold } from '../run/describe-hold';
import type { Explanation, LiveNode } from './explanation';
import type { Situation } from './situation';
import { explanation } from './explanation';

/** Waits of a changed node, and of an uncordon, which a person may end. */
const RELEASABLE: readonly (LiveNode['step'] | null)[] = ['reboot', 'verify', 'uncordon'];

/** One sentence for each thing that the member waits for; empty for one that waits for nothing. */
export function explainInWork(situation: Situation, member: LiveNode): Explanation[] {
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
        change: endings(situation, member),
      },
    ),
  ];
}

/** Steps in which nothing has begun that cannot be left. */
const SKIPPABLE: readonly (LiveNode['step'] | null)[] = [null, 'preflight', 'prefetch'];

/** What ends the wait of a node: only of one in service, nothing else than its own patch ends. */
function endings({ status }: Situation, { node, step }: LiveNode): string[] {
  const { cluster, type } = status;
  const skip = SKIPPABLE.includes(step) && type !== 'eks' ? [`ospatch skip ${cluster} ${node}`] : [];
  return [...skip, `ospatch cancel ${cluster}`];
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
        change: endings(situation, member),
      }),
    ];
  }
  if (waitingFor === null) return [];
  const what = step === null ? `${node} does not get on` : `${node} does not get past its step ${step}`;
  const times = { since: waitingSince ?? member.startedAt, until: waitingUntil };
  const because = `it waits for ${waitingFor}`;
  const queue = /^a worker of task queue (\S+)/.exec(waitingFor)?.[1];
  if (queue !== undefined) {
    const change = [`ospatch worker --task-queue ${queue}`, ...endings(situation, member)];
    return [explanation('no-worker', what, because, { ...times, change })];
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
  const hold = status.run?.detail?.hold;
  if (waitingFor.startsWith('firing alerts') && isAlertHold(hold)) {
    const alerts = describeHold(hold, memberNameOf(status.type));
    return [
      explanation(hold.kind, `${node} is not taken out of service`, alerts, {
        ...times,
        change: ['the end of these alerts, or a silence in Alertmanager', ...endings(situation, member)],
      }),
    ];
  }
  if (waitingFor.startsWith('other nodes to come back')) {
    const named = hold?.kind === 'max-unavailable' ? describeHold(hold, memberNameOf(status.type)) : because;
    return [
      explanation('others-unavailable', `${node} is not taken out of service`, named, {
        ...times,
        change: [`\`ospatch check ${cluster}\` shows what is wrong with the others`, ...endings(situation, member)],
      }),
    ];
  }
  if (waitingFor.startsWith('the control plane: '))
    return [
      explanation('quorum', `${node} is not taken out of service`, waitingFor.replace('the control plane: ', ''), {
        ...times,
        change: [
          'kubectl get nodes -l node-role.kubernetes.io/control-plane shows the others',
          `ospatch cancel ${cluster}`,
        ],
      }),
    ];
  const lost = status.nodes.some((row) => row.name === node && isNode(row) && isLost(row));
  if (lost || /^the node to (answer|come back|go down)/.test(waitingFor)) {
    const mayRelease = lost || RELEASABLE.includes(step);
    return [
      explanation('unreachable', what, because, {
        ...times,
        change: mayRelease ? [`ospatch release ${cluster} ${node}`] : endings(situation, member),
      }),
    ];
  }
  if (/\block\b/.test(waitingFor))
    return [
      explanation('package-lock', what, because, {
        ...times,
        change: [`end that program on ${node}`, ...endings(situation, member)],
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
