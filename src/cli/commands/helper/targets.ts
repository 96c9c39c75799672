/** The nodes of `helper install` and `helper prune`, and the key for the login. */
import { homedir } from 'node:os';
import path from 'node:path';
import { hmacSha1 } from '../../../client/load/host-keys';
import { OspatchError } from '../../../domain/shared/errors';
import { hostKeysFor, knownHostsName } from '../../../domain/trust/known-hosts';
import type { NodeTarget } from '../../../domain/spec/types';
import { isHost } from '../../../domain/trust/hosts';
import { show } from '../../../domain/spec/issues';
import type { CliContext } from '../../io/context';
import { readKnownHostsFile } from '../../io/known-hosts-file';
import { requireSpecs } from '../../options/spec-source';
import type { SpecSources } from '../../options/spec-source';
import { sourcesInCommand } from '../../../client/load/sources';
import { defaultDirectory } from '../../../worker-directories';
import { defined } from '../../../domain/shared/defined';

export interface TargetOptions {
  file?: SpecSources;
  /** Only these nodes of the spec; empty = all. */
  node: readonly string[];
  host?: string;
  port: number;
  user?: string;
  /** A private key file, or `agent`. */
  identity?: string;
  knownHosts?: string;
}

export interface Targets {
  nodes: NodeTarget[];
  /** Directory of the key files named by the nodes. */
  keyDir: string;
}

/** @throws OspatchError `Usage`, `InvalidSpec` */
export async function helperTargets(context: CliContext, options: TargetOptions): Promise<Targets> {
  const { file, host, user, identity } = options;
  if ((file === undefined) === (host === undefined)) {
    throw usage('give either -f SPEC or --host HOST', 'ospatch helper install --help shows both');
  }
  const nodes =
    file === undefined ? [await singleHost(context, host ?? '', options)] : await ofSpec(context, file, options);
  const ownKey =
    identity === undefined || identity === 'agent' ? null : path.resolve(context.cwd, expandHome(identity));
  const keyName = ownKey === null ? identity : path.basename(ownKey);
  return {
    keyDir:
      ownKey === null
        ? (context.env['OSPATCH_KEY_DIR'] ?? defaultDirectory('keys', context.env))
        : path.dirname(ownKey),
    nodes: nodes.map((node) => ({
      ...node,
      ssh: {
        ...node.ssh,
        ...defined({ user, identity: keyName }),
      },
    })),
  };
}

async function ofSpec(
  context: CliContext,
  source: SpecSources,
  { node: wanted }: TargetOptions,
): Promise<NodeTarget[]> {
  const file = sourcesInCommand(source);
  const { clusters } = await requireSpecs(context, source, { requireHostKeys: true, isNew: false });
  const all = clusters.flatMap(({ spec }) =>
    spec.type === 'self-managed'
      ? spec.nodes.map(({ name, host, ssh, hostKeys }) => ({ cluster: spec.name, name, host, ssh, hostKeys }))
      : [],
  );
  const unknown = wanted.filter((name) => !all.some((node) => node.name === name));
  if (unknown.length > 0) {
    throw usage(
      `--node: found ${unknown.map(show).join(', ')}; allowed: the names of nodes in ${file}`,
      `${file} has: ${all
        .slice(0, 20)
        .map(({ name }) => name)
        .join(', ')}`,
    );
  }
  return wanted.length === 0 ? all : all.filter(({ name }) => wanted.includes(name));
}

async function singleHost(context: CliContext, host: string, options: TargetOptions): Promise<NodeTarget> {
  const { port, user } = options;
  if (!isHost(host)) throw usage(`--host: found ${show(host)}; allowed: a host name or an address`);
  if (user === undefined) throw usage('--host needs --user: the account that may place the helper, e.g. root');
  const file = path.resolve(context.cwd, expandHome(options.knownHosts ?? '~/.ssh/known_hosts'));
  const { keys } = hostKeysFor(await readKnownHostsFile(file), host, port, hmacSha1);
  if (keys.length === 0) {
    throw usage(
      `${file} has no host key of ${knownHostsName(host, port)}, so ospatch does not connect to it`,
      'log in there once with ssh and check the fingerprint, or name another file with --known-hosts',
    );
  }
  const ssh = { user, port, identity: 'agent', helper: 'auto' } as const;
  return { cluster: '', name: host, host, ssh, hostKeys: keys };
}

function expandHome(file: string): string {
  return file.startsWith('~/') ? path.join(homedir(), file.slice(2)) : file;
}

function usage(message: string, remedy?: string): OspatchError {
  return new OspatchError({ type: 'Usage', message, ...defined({ remedy }) });
}
