/** Node patches that are about to take their node out of service, and wait for the word of the run. */
import { getExternalWorkflowHandle } from '@temporalio/workflow';
import { outageAnswerSignal } from '../../contract/messages';
import { nodeWorkflowId } from '../../contract/workflow-ids';
import { isAlertHold } from '../../domain/alerts/gate';
import { defined } from '../../domain/shared/defined';
import type { OutageAnswers, OutageView } from '../../domain/run/outages';
import { answerOutages } from '../../domain/run/outages';
import type { RunHold } from '../../domain/run/next-step';
import type { HandedOverPatch, NodeInWork, OutageRequest } from '../../domain/run/run';

interface Asking {
  workflowRunId: string;
  since: string;
}

export class Outages {
  /** Longest wait first. */
  private readonly asking = new Map<string, Asking>();
  /** Started, and not taken out of service since. */
  private readonly inService = new Set<string>();
  private held: RunHold | null = null;

  constructor(private readonly cluster: string) {}

  get pending(): boolean {
    return this.asking.size > 0;
  }

  /** What keeps the first of them waiting. */
  get hold(): RunHold | null {
    return this.pending ? this.held : null;
  }

  /** Since when the node waits, and for what; empty: it does not. */
  waitOf(name: string): Pick<NodeInWork, 'outageAwaitedSince' | 'outageAwaitedFor'> {
    const since = this.asking.get(name)?.since;
    if (this.held === null || since === undefined) return {};
    const awaited = isAlertHold(this.held) ? ('alerts' as const) : undefined;
    return { outageAwaitedSince: since, ...defined({ outageAwaitedFor: awaited }) };
  }

  started(name: string): void {
    this.inService.add(name);
  }

  /** Goes on where an earlier run workflow has handed over. */
  adopt({ node, workflowRunId, inService, outageAskedAt }: HandedOverPatch): void {
    if (inService === true) this.inService.add(node);
    if (outageAskedAt !== undefined) this.ask({ node, workflowRunId }, outageAskedAt);
  }

  handedOver(name: string): { inService: true | undefined; outageAskedAt: string | undefined } {
    return {
      inService: this.inService.has(name) || undefined,
      outageAskedAt: this.asking.get(name)?.since,
    };
  }

  ask({ node, workflowRunId }: OutageRequest, since: string): void {
    this.asking.set(node, { workflowRunId, since: this.asking.get(node)?.since ?? since });
  }

  /** The node is in flight no longer. */
  forget(name: string): void {
    this.asking.delete(name);
    this.inService.delete(name);
  }

  /** Returns whether somebody has got an answer. `takenBack`: nodes that are not to be patched any more. */
  answer(view: Omit<OutageView, 'asking' | 'inService'>, takenBack: (name: string) => boolean): boolean {
    const all = [...this.asking.keys()];
    const unwanted = all.filter(takenBack);
    const asking = all.filter((name) => !takenBack(name));
    const { granted, sentBack, hold }: OutageAnswers = answerOutages({ ...view, asking, inService: this.inService });
    this.held = hold;
    for (const name of granted) {
      this.inService.delete(name);
      this.tell(name, true);
    }
    for (const name of [...unwanted, ...sentBack]) this.tell(name, false);
    return granted.length + sentBack.length + unwanted.length > 0;
  }

  /** A node patch that has ended meanwhile needs no answer, and one that has not got this one asks again. */
  private tell(node: string, granted: boolean): void {
    const workflowRunId = this.asking.get(node)?.workflowRunId;
    this.asking.delete(node);
    void getExternalWorkflowHandle(nodeWorkflowId(this.cluster, node), workflowRunId)
      .signal(outageAnswerSignal, { granted })
      .catch(() => undefined);
  }
}
