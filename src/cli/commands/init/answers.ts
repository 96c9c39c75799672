/** What `ospatch init` has to know, and how each answer is checked. */
import { PRESETS } from '../../../domain/spec/types';
import { OspatchError } from '../../../domain/shared/errors';
import { isClusterName } from '../../options/arguments';
import { show } from '../../../domain/spec/issues';
import { isHost } from '../../../domain/trust/hosts';
import { USER_NAME_FORMAT, isUserName } from '../../../domain/trust/user-name';

export interface NodeAnswer {
  name: string;
  user: string;
  host: string;
  port: number;
}

export type JumpAnswer = Omit<NodeAnswer, 'name'>;

export interface InitAnswers {
  cluster: string;
  nodes: NodeAnswer[];
  jump: JumpAnswer | null;
  /** A preset, cron, or null: patched on demand only. */
  schedule: string | null;
  timeZone: string;
  reboot: boolean;
  /** File in the key directory, or agent. */
  identity: string;
  /** Who prepares the nodes; null: they are prepared already, or by somebody else. */
  admin: Admin | null;
}

export interface Admin {
  user: string;
  /** Path of a private key, or agent. */
  identity: string;
}

export const DEFAULT_USER = 'ospatch';
export const DEFAULT_IDENTITY = 'id_ed25519';
const NODE_FORMAT = '[NAME=][USER@]HOST[:PORT], e.g. w-1=ospatch@10.0.0.12';

/** @throws OspatchError `Usage` */
export function parseNode(text: string, index: number): NodeAnswer {
  const [, given, rest = ''] = /^(?:([^=@]*)=)?(.*)$/s.exec(text) ?? [];
  const machine = parseMachine(rest, '--node', text, NODE_FORMAT);
  const name = given ?? nameOf(machine.host, index);
  if (/^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/.test(name)) return { name, ...machine };
  throw wrong('--node', text, `a name of lower-case letters, digits, hyphens and dots: ${NODE_FORMAT}`);
}

/** @throws OspatchError `Usage` */
export function parseJump(text: string): JumpAnswer {
  return parseMachine(text, '--jump', text, '[USER@]HOST[:PORT], e.g. jump@bastion.example.com');
}

function parseMachine(text: string, option: string, whole: string, format: string): JumpAnswer {
  const [, user = DEFAULT_USER, bracketed, plain = '', port = '22'] =
    /^(?:(.*)@)?(?:\[([^\]]*)\]|([^:[\]]*|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*))(?::(\d+))?$/s.exec(text) ?? [];
  const host = bracketed ?? plain;
  if (!isHost(host)) throw wrong(option, whole, format);
  if (!isUserName(user)) throw wrong(option, whole, USER_NAME_FORMAT);
  if (Number(port) < 1 || Number(port) > 65_535) throw wrong(option, whole, 'a port from 1 to 65535');
  return { user, host, port: Number(port) };
}

/** An address says nothing to people. */
function nameOf(host: string, index: number): string {
  const isAddress = host.includes(':') || /^[\d.]+$/.test(host);
  return isAddress ? `node-${index + 1}` : (host.toLowerCase().split('.')[0] ?? host);
}

/** @throws OspatchError `Usage` */
export function parseTimeZone(text: string): string {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: text }).resolvedOptions().timeZone;
  } catch {
    throw wrong('--time-zone', text, 'a name of the IANA time zones, e.g. Europe/Berlin or UTC');
  }
}

/** @throws OspatchError `Usage` */
export function parseSchedule(text: string): string | null {
  if (text === 'none') return null;
  if (PRESETS.some((preset) => preset === text)) return text;
  throw wrong('--schedule', text, `${PRESETS.join(', ')}, none; others are written into the spec afterwards`);
}

/** @throws OspatchError `Usage` */
export function parseIdentity(text: string): string {
  if (/^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/.test(text)) return text;
  throw wrong('--identity', text, 'the bare name of a file in the key directory of the worker, or agent');
}

/** @throws OspatchError `Usage` */
export function parseNewCluster(text: string): string {
  if (isClusterName(text)) return text;
  throw wrong(
    '--cluster',
    text,
    'at most 63 lower-case letters, digits and hyphens, with a letter or digit first and last, e.g. prod-eu',
  );
}

/** @throws OspatchError `Usage` */
export function parseAdmin(text: string): string {
  if (isUserName(text)) return text;
  throw wrong('--admin', text, USER_NAME_FORMAT);
}

/** @throws OspatchError `Usage` for two nodes with one name or one address */
export function assertDistinct(nodes: readonly NodeAnswer[]): void {
  for (const [index, node] of nodes.entries()) {
    const twin = nodes
      .slice(0, index)
      .find(({ name, host, port }) => name === node.name || (host === node.host && port === node.port));
    if (twin === undefined) continue;
    const what = twin.name === node.name ? `the name ${node.name}` : `the address ${node.host}:${node.port}`;
    throw new OspatchError({
      type: 'Usage',
      message: `--node: found ${what} twice; allowed: each node once`,
      remedy: `name the nodes differently: ${NODE_FORMAT}`,
    });
  }
}

function wrong(option: string, found: string, allowed: string): OspatchError {
  return new OspatchError({
    type: 'Usage',
    message: `${option}: found ${show(found)}; allowed: ${allowed}`,
    remedy: 'correct the value; `ospatch init --help` shows an example',
  });
}
