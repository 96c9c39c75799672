/** The table at the end of `make test-systems`: each system, its steps, and their results. */
import { appendFileSync, mkdirSync } from 'node:fs';
import path from 'node:path';

import type { CommandResult } from '../../src/dev/host';

/** The versions that identify a system. */
const VERSIONS = `
PATH=/usr/sbin:/usr/bin:/sbin:/bin
echo "$({ apt --version || apk --version; } 2>/dev/null)"
echo "$(sudo --version 2>&1 | sed 's/^Sudo version //; q')"
tool=$(readlink -f "$(command -v stat)")
echo "$(case $tool in *busybox*) $tool | sed 's/ (.*//; q' ;; *) stat --version | sed q ;; esac)"
readlink -f "$(command -v sh)"
`;

const RESULTS = path.join(__dirname, '../../.test-results');

export interface TableRow {
  /** Runs a step, which appears in the table on success. */
  step(what: string, work: () => Promise<void>): Promise<void>;
  /** Writes the row. */
  end(): Promise<void>;
}

export function tableRow(system: string, node: { exec(command: string): Promise<CommandResult> }): TableRow {
  const steps: string[] = [];
  const failed: string[] = [];
  const started = Date.now();
  return {
    async step(what, work) {
      try {
        await work();
        steps.push(what);
      } catch (error) {
        failed.push(what);
        throw error;
      }
    },
    async end() {
      const [apt, sudo, coreutils, shell] = (await node.exec(VERSIONS)).stdout.trim().split('\n');
      const seconds = Math.round((Date.now() - started) / 1000);
      mkdirSync(RESULTS, { recursive: true });
      const row = { system, apt, sudo, coreutils, shell, steps, failed, seconds };
      appendFileSync(path.join(RESULTS, 'systems.jsonl'), `${JSON.stringify(row)}\n`);
    },
  };
}
