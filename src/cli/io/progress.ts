import type { CliContext } from './context';

/** One line on standard error that counts; nothing in a pipe, so that a log has only results. */
export interface ProgressLine {
  /** One more is done. */
  step(): void;
  /** Takes the line away. */
  end(): void;
}

/** `doing`: `inspecting clusters`. The line is `inspecting clusters: 12 of 50`. */
export function showProgress(context: CliContext, doing: string, total: number): ProgressLine {
  if (!context.isErrorTTY || context.env['TERM'] === 'dumb') return { step: () => undefined, end: () => undefined };
  let done = 0;
  const draw = (): void => {
    context.stderr.write(`\r\u001b[K${doing}: ${done} of ${total} ...`);
  };
  draw();
  return {
    step: () => {
      done += 1;
      draw();
    },
    end: () => {
      context.stderr.write('\r\u001b[K');
    },
  };
}
