/** `patching.restartServices` of a spec document: a mode alone, or a mapping. */
import { z } from 'zod';
import type { RestartPolicy } from './restart-policy';
import { MAX_UNIT_GLOBS, NO_RESTARTS, RESTART_MODES } from './restart-policy';
import * as field from './fields';
import type { SpecIssue, SpecPath } from './issues';
import { valueAt } from './issues';

export const RESTART_FORMAT = `${RESTART_MODES.join(', ')}, or a mapping with mode, services, ignore and asReboot`;

const globsError = `a list of at most ${MAX_UNIT_GLOBS} service names`;

function globs() {
  return z
    .array(field.unitGlob, { error: globsError })
    .max(MAX_UNIT_GLOBS, {
      error: ({ input }) => `found ${(input as unknown[]).length} entries; allowed: ${globsError}`,
    })
    .default([]);
}

export const restartMapping = z.strictObject(
  {
    mode: field
      .choice(RESTART_MODES)
      .default('never')
      .describe(
        'never: services on replaced code are named, and the node is restart-pending. listed: those that services names are restarted after a patch. auto: all but those that are not safe to restart, see docs/node.md.',
      ),
    services: globs().describe(
      'Names of services, with or without .service; * and ? stand for any characters. With auto: databases and the like, which are restarted only when they are named here.',
    ),
    ignore: globs().describe('Names of services that are never restarted.'),
    asReboot: field
      .flag()
      .default(false)
      .describe(
        'true: what still runs replaced code after that is a reason to reboot, which happens where rebootIfRequired is true.',
      ),
  },
  { error: 'a mapping with mode, services, ignore and asReboot' },
);

const modeAlone = field.choice(RESTART_MODES).transform((mode) => ({ ...NO_RESTARTS, mode }));

export const restartSchema = z.union([modeAlone, restartMapping]);

/** Nothing when it is the default, so that specs from before this field stay equal to themselves. */
export function normaliseRestart(document: RestartPolicy | undefined): { restartServices?: RestartPolicy } {
  if (document === undefined) return {};
  const { mode, services, ignore, asReboot } = document;
  if (mode === 'never' && !asReboot && services.length === 0 && ignore.length === 0) return {};
  return { restartServices: { mode, services: [...new Set(services)], ignore: [...new Set(ignore)], asReboot } };
}

/** `listed` without a list restarts nothing, which nobody means. */
export function restartIssues(document: unknown): SpecIssue[] {
  const path: SpecPath = ['patching', 'restartServices'];
  const given = valueAt(document, path);
  const mode = typeof given === 'string' ? given : valueAt(document, [...path, 'mode']);
  const services = valueAt(document, [...path, 'services']);
  if (mode !== 'listed' || (Array.isArray(services) ? services.length > 0 : services !== undefined)) return [];
  const message = `found listed without services, which restarts nothing; allowed: {mode: listed, services: [NAME, ...]}`;
  return [{ severity: 'error', path: typeof given === 'string' ? path : [...path, 'mode'], at: 'value', message }];
}
