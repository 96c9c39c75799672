/** `patching.restartServices` of a spec document: a mode, or a mapping. */
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
        'never: services that run outdated code are reported, and the node is restart-pending. listed: those of them that services lists are restarted after a patch. auto: all of them are restarted except those that are not safe to restart, see docs/node.md.',
      ),
    services: globs().describe(
      'Names of services, with or without .service; * and ? match any characters. With auto: databases and the like, which are restarted only when listed here.',
    ),
    ignore: globs().describe('Names of services that are never restarted.'),
    asReboot: field
      .flag()
      .default(false)
      .describe(
        'true: outdated code that still runs after the restarts is a reason to reboot, if rebootIfRequired is true.',
      ),
  },
  { error: 'a mapping with mode, services, ignore and asReboot' },
);

const modeAlone = field.choice(RESTART_MODES).transform((mode) => ({ ...NO_RESTARTS, mode }));

export const restartSchema = z.union([modeAlone, restartMapping]);

/** Absent when it equals the default, so that specs from before this field stay equal. */
export function normaliseRestart(document: RestartPolicy | undefined): { restartServices?: RestartPolicy } {
  if (document === undefined) return {};
  const { mode, services, ignore, asReboot } = document;
  if (mode === 'never' && !asReboot && services.length === 0 && ignore.length === 0) return {};
  return { restartServices: { mode, services: [...new Set(services)], ignore: [...new Set(ignore)], asReboot } };
}

/** `listed` without a list restarts nothing, which is never intended. */
export function restartIssues(document: unknown): SpecIssue[] {
  const path: SpecPath = ['patching', 'restartServices'];
  const given = valueAt(document, path);
  const mode = typeof given === 'string' ? given : valueAt(document, [...path, 'mode']);
  const services = valueAt(document, [...path, 'services']);
  if (mode !== 'listed' || (Array.isArray(services) ? services.length > 0 : services !== undefined)) return [];
  const message = `found listed without services, which restarts nothing; allowed: {mode: listed, services: [NAME, ...]}`;
  return [{ severity: 'error', path: typeof given === 'string' ? path : [...path, 'mode'], at: 'value', message }];
}
