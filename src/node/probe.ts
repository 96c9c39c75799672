/** What a node says while it is waited for: whether it is another boot, how far that is, and what became of the reboot. */
import { OspatchError } from '../domain/errors';
import { plainText } from '../domain/text';
import type { StartFailure } from './start-failure';
import { startFailure } from './start-failure';

export interface NodeProbe {
  bootId: string;
  /** As systemd calls it; `unknown` when it does not answer. */
  systemState: string;
  /** How the command that was to reboot the node has ended; null while it has not, or when nothing is known of one. */
  rebootEnded: { rc: number; said: string } | null;
  /** Why no job can be started; null when one could, or nobody has tried. */
  startError: StartFailure | null;
}

const MAX_SAID = 300;

/** Null when the answer is not complete: its last line is `end`. */
export function parseProbe(text: string): NodeProbe | null {
  const lines = text.split('\n');
  if (lines.at(-1) !== '' || lines.at(-2) !== 'end') return null;
  const all = (key: string): string[] =>
    lines.filter((line) => line.startsWith(`${key}=`)).map((line) => plainText(line.slice(key.length + 1), MAX_SAID));
  const one = (key: string): string => all(key)[0] ?? '';
  const rc = one('reboot_rc');
  const said = plainText(all('reboot_said').join('; '), MAX_SAID).replace(/\.$/, '');
  const [why = '', at = ''] = one('start_error').replace(/^why=/, '').split(' at=');
  return {
    bootId: one('boot_id'),
    systemState: one('system_state') || 'unknown',
    rebootEnded: /^\d{1,3}$/.test(rc) ? { rc: Number(rc), said } : null,
    startError: startFailure(why, at, one('start_reason').replace(/\.$/, '')),
  };
}

/** `why` is how the command has ended, in its own words. */
export function rebootRefused(node: string, why: string): OspatchError {
  return new OspatchError({
    type: 'RebootFailed',
    message: `${node} was not rebooted: ${why}.`,
    remedy: `see \`systemd-inhibit --list\`, \`systemctl status reboot.target\` and \`journalctl -u ospatch-reboot\` on ${node}, then patch the node again`,
  });
}
