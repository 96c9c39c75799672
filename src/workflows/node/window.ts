/**
 * The end of the maintenance window of a node patch: a change that has not begun by then is left for the next window. The same
 * for a node that somebody leaves out of the run meanwhile.
 */
import { CancellationScope, condition, isCancellation } from '@temporalio/workflow';
import type { RunWindow } from '../../domain/run/window-end';
import { beginBy, windowOver, withdrawn } from '../../domain/run/window-end';
import type { ErrorInfo } from '../../domain/shared/errors';
import { failureOf } from '../shared/failures';

const LATEST_BEGIN = { summary: 'the latest moment at which the node still begins in this window' };

export class PatchWindow {
  private isCordoned = false;
  /** Why the node is left out. Null: it is not. */
  private withdrawal: string | null = null;

  /** `window`: null: the patch has no end. */
  constructor(
    private readonly node: string,
    private window: RunWindow | null,
  ) {}

  /** Somebody has extended the window, or given it another end. */
  change(window: RunWindow | null): void {
    this.window = window;
  }

  /** Somebody has left the node out of the run. A node that is out of service goes on to its end. */
  withdraw(why: string): void {
    this.withdrawal ??= why;
  }

  /** From here on the node is out of service. */
  noteCordon(): void {
    this.isCordoned = true;
  }

  /** When the change has to begin at the latest, epoch milliseconds; null: any time. */
  get beginByMs(): number | null {
    return this.window === null ? null : beginBy(this.window, this.isCordoned);
  }

  /** @throws ApplicationFailure `WindowOver`, or `NotTried` */
  check(): void {
    const over = this.over();
    if (over !== null) throw failureOf(over);
  }

  /** Why nothing begins any more; null: it may. */
  private over(): ErrorInfo | null {
    if (this.withdrawal !== null && !this.isCordoned) return withdrawn(this.node, this.withdrawal);
    const { beginByMs } = this;
    return beginByMs !== null && Date.now() >= beginByMs ? windowOver(this.node) : null;
  }

  /**
   * Runs `body`, which changes nothing on the node, and ends it when the change could not begin any more.
   * @throws ApplicationFailure `WindowOver`, or `NotTried`
   */
  async within<T>(body: () => Promise<T>): Promise<T> {
    this.check();
    const scope = new CancellationScope();
    const watch = { isDone: false, isOver: false };
    // A cancelled patch ends its body; the watch only ends with that.
    void CancellationScope.nonCancellable(() => this.whenOver(watch)).then(() => {
      if (watch.isDone) return;
      watch.isOver = true;
      scope.cancel();
    });
    try {
      return await scope.run(body);
    } catch (failure) {
      if (watch.isOver && isCancellation(failure)) throw failureOf(this.over() ?? windowOver(this.node));
      throw failure;
    } finally {
      watch.isDone = true;
    }
  }

  private async whenOver(watch: Readonly<{ isDone: boolean }>): Promise<void> {
    while (!watch.isDone) {
      if (this.over() !== null) return;
      const { beginByMs, withdrawal } = this;
      const isOther = (): boolean => watch.isDone || this.beginByMs !== beginByMs || this.withdrawal !== withdrawal;
      if (beginByMs === null) await condition(isOther);
      else if (!(await condition(isOther, Math.max(1, beginByMs - Date.now()), LATEST_BEGIN))) return;
    }
  }
}
