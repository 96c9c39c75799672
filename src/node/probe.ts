/** State of a node during a wait: its boot id, the progress of its boot, and the result of the reboot command. */
import { OspatchError } from '../domain/shared/errors';
import { plainText, withoutFullStop } from '../domain/shared/text';
import type { StartFailure } from './start-failure';
import { startFailure } from './start-failure';

export interface NodeProbe {
  bootId: string;
  /** The state reported by systemd; `unknown` when systemd does not answer. */
  systemState: string;
  /** The state of a reboot requested in this boot; null when none was requested. */
  reboot: RebootProgress | null;
  /** Why no job can be started; null when one could, or when it was not tried. */
  startError: StartFailure | null;
}

const WAYS = ['stopping', 'delayed', 'scheduled', 'stuck', 'none', 'unknown'] as const;

export interface RebootProgress {
  /** Exit code of the reboot command; null while it runs. `never`: it was not started. */
  rc: number | 'never' | null;
  said: string;
  /** State of the shutdown. `stuck`: services were stopped without a shutdown; `none`: no sign of a shutdown. */
  way: (typeof WAYS)[number];
  /** What the shutdown waits for, or what blocks it. */
  why: string;
}

const MAX_SAID = 300;

/** Null when the answer is incomplete: its last line must be `end`. */
export function parseProbe(text: string): NodeProbe | null {
  const lines = text.split('\n');
  if (lines.at(-1) !== '' || lines.at(-2) !== 'end') return null;
  const all = (key: string): string[] =>
    lines.filter((line) => line.startsWith(`${key}=`)).map((line) => plainText(line.slice(key.length + 1), MAX_SAID));
  const one = (key: string): string => all(key)[0] ?? '';
  const joined = (key: string): string => withoutFullStop(plainText(all(key).join('; '), MAX_SAID));
  const [why = '', at = ''] = one('start_error').replace(/^why=/, '').split(' at=');
  return {
    bootId: one('boot_id'),
    systemState: one('system_state') || 'unknown',
    reboot: rebootProgress(one('reboot_rc'), one('reboot_way'), joined('reboot_said'), joined('reboot_why')),
    startError: startFailure(why, at, withoutFullStop(one('start_reason'))),
  };
}

function rebootProgress(rc: string, way: string, said: string, why: string): RebootProgress | null {
  if (rc === '' && way === '') return null;
  const ended = /^\d{1,3}$/.test(rc) ? Number(rc) : rc === 'never' ? 'never' : null;
  return { rc: ended, said, way: WAYS.find((known) => known === way) ?? 'unknown', why };
}

/** `why`: how the command ended, in its own words. */
export function rebootRefused(node: string, why: string): OspatchError {
  return new OspatchError({
    type: 'RebootFailed',
    message: `${node} was not rebooted: ${why}`,
    remedy: `see \`systemd-inhibit --list\`, \`systemctl status reboot.target\` and \`journalctl -u ospatch-reboot\` on ${node}, then patch the node again`,
  });
}
