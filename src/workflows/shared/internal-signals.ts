import { setDefaultSignalHandler } from '@temporalio/workflow';

type Handler = (value: unknown) => void | Promise<void>;

/**
 * Handles the signals that other workflows send. They have no handlers of their own, because the Temporal UI would offer those
 * to users. Signals of other names are ignored.
 */
export function handleInternalSignals(...handlers: [{ name: string }, Handler][]): void {
  const byName = new Map(handlers.map(([{ name }, handler]) => [name, handler]));
  setDefaultSignalHandler((name, value) => byName.get(name)?.(value));
}
