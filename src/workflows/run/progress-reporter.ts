/** Tells the cluster of a run what has happened, in bundles, until the run has ended; the report of the run carries the rest. */
import { condition, getExternalWorkflowHandle, workflowInfo } from '@temporalio/workflow';
import { runProgressSignal } from '../../contract/messages';
import type { MemberSettled } from '../../domain/cluster/member';
import type { HoldReport } from '../../domain/run/hold-report';
import type { GateCounts, GateResult } from '../../domain/alerts/types';
import type { LostNode, RunInput } from '../../domain/run/run';
import { progressIntervalMs } from '../../domain/run/run';
import { defined } from '../../domain/shared/defined';

export class ProgressReporter {
  /** What the cluster does not know yet. */
  private unreported: Report = newReport();
  private isDue = false;
  private ended = false;
  /** Members of which the cluster knows the end. */
  private readonly told = new Set<string>();

  /** `isInWork`: whether a node has been begun and has not settled. */
  constructor(
    private readonly input: Pick<RunInput, 'run' | 'startedAt'>,
    private readonly isInWork: (node: string) => boolean,
  ) {}

  started(node: string): void {
    this.unreported.started.push(node);
    this.isDue = true;
  }

  settled(settled: MemberSettled): void {
    // It may have had another turn.
    this.told.delete(settled.node);
    this.unreported.settled.push(settled);
    this.isDue = true;
  }

  lost(lost: LostNode): void {
    this.unreported.lost.push(lost);
    this.isDue = true;
  }

  /** A limit has begun to hold the run up. */
  held(report: HoldReport): void {
    this.unreported.held = report;
    this.isDue = true;
  }

  /** An answer of the alert gate; `result` differs from the last one. */
  gate(result: GateResult): void {
    this.unreported.gates[result] = (this.unreported.gates[result] ?? 0) + 1;
    this.isDue = true;
  }

  isTold(node: string): boolean {
    return this.told.has(node);
  }

  end(): void {
    this.ended = true;
  }

  /** Returns after `end`. */
  async report(): Promise<void> {
    const { parent, workflowId } = workflowInfo();
    if (parent === undefined) return;
    const cluster = getExternalWorkflowHandle(parent.workflowId);
    const { run, startedAt } = this.input;
    let sentAt = 0;
    for (;;) {
      await condition(() => this.isDue || this.ended);
      const pause = sentAt + progressIntervalMs(Date.now() - Date.parse(startedAt)) - Date.now();
      if (pause > 0) await condition(() => this.ended, pause, { summary: 'the next report to the cluster' });
      // The report has no notices of nodes that are left lost.
      const isLast = this.ended;
      if (isLast && !this.unreported.lost.some(({ node }) => this.isInWork(node))) return;
      const { settled, started, lost, held, gates } = this.unreported;
      this.unreported = newReport();
      this.isDue = false;
      sentAt = Date.now();
      // A cluster that was terminated is no error: the nodes are settled all the same.
      await cluster
        .signal(runProgressSignal, {
          ...{ run, workflowId, settled },
          started: started.filter((node) => this.isInWork(node)),
          ...defined({ lost: lost.length === 0 ? undefined : lost, held, gates: noneIfEmpty(gates) }),
        })
        .then(() => {
          for (const { node } of settled) this.told.add(node);
        })
        .catch(() => undefined);
      if (isLast) return;
    }
  }
}

interface Report {
  settled: MemberSettled[];
  started: string[];
  lost: LostNode[];
  held?: HoldReport;
  gates: GateCounts;
}

function newReport(): Report {
  return { settled: [], started: [], lost: [], gates: {} };
}

function noneIfEmpty(gates: GateCounts): GateCounts | undefined {
  return Object.keys(gates).length === 0 ? undefined : gates;
}
