/** The output of `enroll --replace`. */
import type { Colors } from './table';
import { oneLine } from './text';

export interface ShownKey {
  type: string;
  /** `SHA256:...` as OpenSSH shows it. */
  fingerprint: string;
}

/** A machine that shows other host keys than the trusted ones. */
export interface ChangedMachine {
  /** As in messages. */
  name: string;
  address: string;
  before: readonly ShownKey[];
  after: readonly ShownKey[];
  /** Other names in known_hosts that show the new keys too. */
  alias: readonly string[];
  /** Other names with the old key that do not answer. */
  silent: readonly string[];
}

/** What is trusted and what is shown, for the comparison with the console. */
export function renderChanged(machine: ChangedMachine, color: Colors): string {
  const { name, address, before, after, alias, silent } = machine;
  const keys = (list: readonly ShownKey[]): string[] =>
    list.map(({ type, fingerprint }) => `  ${oneLine(type)} ${fingerprint}`);
  const one = (list: readonly unknown[], text: string): string => (list.length === 1 ? text : `${text}s`);
  return [
    color.bold(`${oneLine(name)} (${address})`),
    `trusted ${one(before, 'host key')}:`,
    ...keys(before),
    `${one(after, 'host key')} shown now:`,
    ...keys(after),
    ...(alias.length === 0 ? [] : [`the same machine: ${alias.map((text) => oneLine(text)).join(', ')}`]),
    ...(silent.length === 0
      ? []
      : [`no answer, so these names keep the old key: ${silent.map((text) => oneLine(text)).join(', ')}`]),
  ].join('\n');
}
