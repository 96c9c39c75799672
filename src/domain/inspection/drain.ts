/** Findings of the Kubernetes inspection, for a node and for a cluster. */
import type { ErrorInfo } from '../shared/errors';
import type { Finding } from './finding';
import { findingOfError, findingOfWarning, ok, problem, warning } from './finding';
import { worstFirst, worstOf } from '../shared/severity';
import type { CordonOwner, DrainPreview, OwnWorker } from '../kubernetes/types';
import { plainText } from '../shared/text';

/** The drain preview of a node, or why there is none. */
export type DrainCheck = { ok: true; preview: DrainPreview } | { ok: false; error: ErrorInfo };

/** A Kubernetes cluster as a whole. */
export interface KubernetesInspection {
  /** Cordons set by ospatch and never removed; null when the API did not answer. */
  staleCordons: { nodeName: string; owner: CordonOwner }[] | null;
  /** The error that would fail every node patch. */
  error: ErrorInfo | null;
}

const MAX_LISTED = 5;
const MAX_TEXT = 600;

/** The inspection with the findings of the drain preview. */
export function withDrain<I extends { node: string; findings: Finding[] }>(inspection: I, drain: DrainCheck): I {
  const found = drainFindings(inspection.node, drain);
  const isWorse = worstOf(found) !== 'ok';
  const kept = inspection.findings.filter((one) => !(isWorse && one.check === 'ready'));
  const findings = worstFirst([...kept, ...found]);
  return { ...inspection, drain, findings, verdict: worstOf(findings) };
}

function drainFindings(node: string, check: DrainCheck): Finding[] {
  if (!check.ok) return [findingOfError(check.error, check.error.type === 'Policy' ? 'reboot-owners' : 'drain')];
  const { blockers, pending, cordonedBy, evict, nodeName, ended, otherOwners, worker } = check.preview;
  const found = listed(blockers).map((one) =>
    problem('drain', `the node cannot be drained: ${one}`, `remove the cause, then run \`ospatch doctor\` again`),
  );
  for (const one of listed(pending))
    found.push(warning('drain', one, 'resolve it before the window, or let the drain wait'));
  if (cordonedBy === 'others') {
    const message = 'someone else has cordoned the node in Kubernetes, so a run leaves it cordoned';
    found.push(warning('drain', message, `\`kubectl uncordon ${nodeName}\` when the node may receive pods again`));
  }
  if (found.length === 0)
    found.push(ok('drain', `a drain of ${node} would move ${evict} pod${evict === 1 ? '' : 's'}`));
  for (const other of otherOwners ?? []) {
    found.push(
      other.remedy === null
        ? ok('reboot-owners', other.message)
        : warning('reboot-owners', other.message, other.remedy),
    );
  }
  if (worker !== undefined) found.push(workerFinding(worker));
  if (ended !== undefined) found.push(warning('kubernetes', ended.message, ended.remedy));
  return found;
}

/** A run never takes its own worker down without having said so. */
function workerFinding({ namespace, name, warning: alone }: OwnWorker): Finding {
  if (alone !== null) return findingOfWarning(alone);
  return ok('worker', `a drain moves the worker ${namespace}/${name} off this node, and another worker goes on`);
}

/** `inWork`: nodes in progress, whose cordon is not stale. */
export function kubernetesFindings(
  cluster: string,
  { staleCordons, error }: KubernetesInspection,
  inWork: ReadonlySet<string>,
): Finding[] {
  const found: Finding[] = [];
  if (error !== null) found.push(findingOfError(error, error.type === 'Policy' ? 'reboot-owners' : 'kubernetes'));
  for (const { nodeName, owner } of staleCordons ?? []) {
    if (owner.cluster !== cluster || inWork.has(owner.node)) continue;
    const title = nodeName === owner.node ? nodeName : `${owner.node} (${nodeName} in Kubernetes)`;
    found.push(
      warning(
        'drain',
        `${plainText(title, 200)} is still cordoned by run ${owner.run}, which did not uncordon it; no pod is scheduled there`,
        `ospatch uncordon ${cluster} ${owner.node}`,
      ),
    );
  }
  if (found.length === 0)
    found.push(ok('kubernetes', 'the worker reaches the Kubernetes API, and no node was left cordoned'));
  return found;
}

function listed(sentences: readonly string[]): string[] {
  const shown = sentences.slice(0, MAX_LISTED).map((one) => plainText(one, MAX_TEXT));
  const more = sentences.length - shown.length;
  return more > 0 ? [...shown, `and ${more} more of this kind`] : shown;
}
