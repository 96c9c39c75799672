/** The names that people have for messages: those of the commands. */

/** Requests by the names of their commands, where these differ. */
const COMMANDS: Readonly<Record<string, string>> = {
  patchNow: 'patch',
  cancelRun: 'cancel',
  applySpec: 'apply',
  setConcurrency: 'set-concurrency',
  setMaxFailures: 'set-max-failures',
  extendWindow: 'extend-window',
};

export function commandOf(request: string): string {
  return COMMANDS[request] ?? request;
}

/** What a message asks for, each of which a policy may keep for verified persons. */
export function verbsOf(request: string, message: unknown): string[] {
  const asksFor = (field: string): boolean =>
    typeof message === 'object' && message !== null && (message as Record<string, unknown>)[field] === true;
  return [
    commandOf(request),
    ...(asksFor('ignoreWindow') ? ['ignore-window'] : []),
    ...(asksFor('ignoreAlerts') ? ['ignore-alerts'] : []),
  ];
}
