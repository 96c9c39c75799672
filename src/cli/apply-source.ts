import { Readable } from 'node:stream';
import type { ClusterClient } from '../client/cluster-client';
import type { LoadedSpecs } from '../client/load-spec';
import type { ClusterSpec } from '../domain/spec';
import { readStdin } from './context';
import type { CliContext } from './context';
import { invalidSpec, loadSource, printProblems } from './spec-source';

/**
 * Checks all specs of a `-f` argument without a server, then hands them with a connection to `body`. A single start in
 * the past is a mistake for a new cluster only; which clusters are new is asked only when it matters.
 * @throws OspatchError `InvalidSpec`; then nothing was begun.
 */
export async function withSpecs(
  context: CliContext,
  source: string,
  connect: (body: (client: ClusterClient) => Promise<void>) => Promise<void>,
  body: (client: ClusterClient, specs: ClusterSpec[]) => Promise<void>,
): Promise<void> {
  const text = source === '-' ? await readStdin(context) : '';
  const load = (isNew: (name: string) => boolean): Promise<LoadedSpecs> =>
    loadSource({ ...context, stdin: Readable.from([text]) }, source, { requireHostKeys: true, isNew });
  const loaded = await load(() => false);
  if (!loaded.valid) fail(context, source, loaded);
  await connect(async (client) => {
    const singleStarts = loaded.specs.filter(hasSingleStart).map(({ name }) => name);
    const fresh = new Set<string>();
    for (const name of singleStarts) if ((await client.findSpec(name)) === null) fresh.add(name);
    const checked = fresh.size === 0 ? loaded : await load((name) => fresh.has(name));
    if (!checked.valid) fail(context, source, checked);
    printProblems(context, checked.problems);
    await body(client, checked.specs);
  });
}

function hasSingleStart(spec: ClusterSpec): boolean {
  const schedule = spec.type === 'self-managed' ? spec.patching.schedule : undefined;
  return schedule !== undefined && 'once' in schedule;
}

function fail(context: CliContext, source: string, { problems }: LoadedSpecs): never {
  printProblems(context, problems);
  throw invalidSpec(source, problems);
}
