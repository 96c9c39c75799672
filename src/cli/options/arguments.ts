/** Arguments and options shared by several commands, validated before the command runs. */
import { Argument, InvalidArgumentError, Option } from 'commander';
import { OspatchError } from '../../domain/shared/errors';
import { show } from '../../domain/spec/issues';
import { ListOption } from './repeated';
import { USER_NAME_FORMAT, isUserName } from '../../domain/trust/user-name';

const CLUSTER_NAME = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
const NODE_NAME = /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/;
/** Node groups: AWS allows other characters than Kubernetes. */
const GROUP_NAME = /^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$/;

const MAX_RUN = 1_000_000_000;

export function clusterArgument(): Argument {
  return new Argument('<name>', 'name of the cluster').argParser(parseClusterName);
}

export function nodeArgument(name: '<node>' | '[node]' = '<node>'): Argument {
  return new Argument(name, 'name of the node').argParser(parseNodeName);
}

export function nodesOption(): Option {
  return new ListOption(
    '--nodes <a,b>',
    'only these nodes or node groups, by name, separated by commas or in several --nodes',
  ).argParser(parseNodeNames);
}

export function selectorOption(): Option {
  return new Option('-l, --selector <labels>', 'only nodes whose labels match, e.g. zone=a,canary!=no');
}

/** States of clusters, as `list` shows them. */
export const CLUSTER_STATES = [
  'idle',
  'running',
  'paused',
  'waiting',
  'removing',
  'not-patchable',
  'ended',
  'encrypted',
] as const;

export function clusterStateOption(): Option {
  return new Option('--state <state>', 'only clusters in this state').choices(CLUSTER_STATES);
}

export function reasonOption(): Option {
  return new Option('--reason <text>', 'why, for the history').argParser(parseReason);
}

export function userOption(description: string): Option {
  return new Option('--user <name>', description).argParser(parseUser);
}

export function runOption(description: string): Option {
  return new Option('--run <number>', description).argParser(parseRun);
}

export function isClusterName(text: string): boolean {
  return CLUSTER_NAME.test(text);
}

/** @throws OspatchError `Usage` */
export function parseClusterName(text: string): string {
  if (isClusterName(text)) return text;
  throw new OspatchError({
    type: 'Usage',
    message: `cluster name ${show(text)} is not valid: allowed are at most 63 lower-case letters, digits and hyphens, with a letter or digit first and last, e.g. prod-eu`,
    remedy: 'list the names with: ospatch list',
  });
}

function parseNodeName(text: string): string {
  if (isName(text)) return text;
  throw new InvalidArgumentError('Allowed: the name of a node as in the spec, e.g. worker-1.');
}

function parseNodeNames(text: string, earlier: string[] = []): string[] {
  const names = text
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
  if (names.length > 0 && names.every(isName)) return [...new Set([...earlier, ...names])];
  throw new InvalidArgumentError(
    'Allowed: names of nodes as in the spec, separated by commas, e.g. worker-1,worker-2.',
  );
}

function isName(text: string): boolean {
  return NODE_NAME.test(text) || GROUP_NAME.test(text);
}

function parseReason(text: string): string {
  if (text.trim() !== '' && text.length <= 500) return text;
  throw new InvalidArgumentError('Allowed: 1 to 500 characters.');
}

function parseUser(text: string): string {
  if (isUserName(text)) return text;
  throw new InvalidArgumentError(`Allowed: ${USER_NAME_FORMAT}.`);
}

function parseRun(text: string): number {
  const run = Number(text);
  if (/^\d+$/.test(text) && run >= 1 && run <= MAX_RUN) return run;
  throw new InvalidArgumentError('Allowed: the number of a run, 1 or more.');
}
