import { Readable } from 'node:stream';
import type { ClusterClient } from '../../../client/cluster-client';
import type { LoadedSpecs } from '../../../client/load/spec';
import type { ClusterSpec } from '../../../domain/spec/types';
import { readStdin } from '../../io/context';
import type { CliContext } from '../../io/context';
import { invalidSpec, loadSource, printProblems } from '../../options/spec-source';
import type { SpecSources } from '../../options/spec-source';

/**
 * Validates all specs of a `-f` argument without a server, then passes them with a connection to `body`. A one-time
 * start in the past is an error unless it is in force already; the server is queried for that only when needed.
 * @throws OspatchError `InvalidSpec`, before anything is sent
 */
export async function withSpecs(
  context: CliContext,
  source: SpecSources,
  connect: (body: (client: ClusterClient) => Promise<void>) => Promise<void>,
  body: (client: ClusterClient, specs: ClusterSpec[]) => Promise<void>,
): Promise<void> {
  const text = source.includes('-') ? await readStdin(context) : '';
  const load = (isNew: (name: string) => boolean): Promise<LoadedSpecs> =>
    loadSource({ ...context, stdin: Readable.from([text]) }, source, { requireHostKeys: true, isNew });
  const loaded = await load(() => false);
  if (!loaded.valid) fail(context, source, loaded);
  await connect(async (client) => {
    const fresh = new Set<string>();
    for (const spec of loaded.specs.filter(hasSingleStart)) {
      if (!hasSameStart(await client.findSpec(spec.name), spec)) fresh.add(spec.name);
    }
    const checked = fresh.size === 0 ? loaded : await load((name) => fresh.has(name));
    if (!checked.valid) fail(context, source, checked);
    printProblems(context, checked.problems);
    await body(client, checked.specs);
  });
}

function hasSingleStart(spec: ClusterSpec): boolean {
  return singleStartsOf(spec).length > 0;
}

/** The start tolerance does not matter for the comparison. */
function hasSameStart(current: ClusterSpec | null, spec: ClusterSpec): boolean {
  const before = new Set(singleStartsOf(current));
  return singleStartsOf(spec).every((start) => before.has(start));
}

function singleStartsOf(spec: ClusterSpec | null): string[] {
  if (spec === null || !('patching' in spec)) return [];
  const { schedule = [], timeZone } = spec.patching;
  return schedule.flatMap((entry) => ('once' in entry ? [`${entry.once} ${entry.timeZone ?? timeZone}`] : []));
}

function fail(context: CliContext, source: SpecSources, { problems }: LoadedSpecs): never {
  printProblems(context, problems);
  throw invalidSpec(source, problems);
}
