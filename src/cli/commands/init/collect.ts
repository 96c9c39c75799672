/** Collects the answers: from options, else from the user. */
import type { CliContext } from '../../io/context';
import type { Prompter } from '../../io/prompter';
import { defined } from '../../../domain/shared/defined';
import { OspatchError } from '../../../domain/shared/errors';
import { PRESETS } from '../../../domain/spec/types';
import { ownZone } from '../../render/text';
import { adminIdentity as adminKey, usualAdminIdentity } from './admin';
import type { Admin, InitAnswers, NodeAnswer } from './answers';
import {
  DEFAULT_IDENTITY,
  assertDistinct,
  parseAdmin,
  parseIdentity,
  parseJump,
  parseNewCluster,
  parseNode,
  parseSchedule,
  parseTimeZone,
} from './answers';
import type { InitOptions } from './options';
import { hasKey } from './keys';

/** @throws OspatchError `Usage` that names all options that are missing */
export function assertComplete(options: InitOptions): void {
  const { cluster, node, expect, yes = false } = options;
  const missing = [
    ...(cluster === undefined ? ['--cluster NAME'] : []),
    ...(node.length === 0 ? ['--node USER@HOST'] : []),
    ...(expect === undefined && !yes ? ['--expect FINGERPRINTS (or --yes, which trusts whoever answers)'] : []),
  ];
  if (missing.length === 0) return;
  throw new OspatchError({
    type: 'Usage',
    message: `there is ${yes ? 'nobody to ask (--yes)' : 'no terminal to ask on'}, and these options are missing: ${missing.join(', ')}`,
    remedy:
      'for example: ospatch init --cluster prod-eu --node ospatch@10.0.0.12 --admin root --expect fingerprints.txt',
  });
}

/** All options are checked before the first question. @throws OspatchError `Usage` */
export async function checkedOptions(
  context: CliContext,
  options: InitOptions,
  keyDir: string,
): Promise<Partial<InitAnswers>> {
  const { cluster, node, jump, schedule, timeZone, identity, admin, adminIdentity } = options;
  const nodes = node.map(parseNode);
  assertDistinct(nodes);
  if (adminIdentity !== undefined && admin === undefined) {
    throw new OspatchError({
      type: 'Usage',
      message: '--admin-identity without --admin',
      remedy: 'name the user that logs in with this key, e.g. --admin root',
    });
  }
  return defined({
    cluster: cluster === undefined ? undefined : parseNewCluster(cluster),
    nodes: nodes.length === 0 ? undefined : nodes,
    jump: jump === undefined ? undefined : parseJump(jump),
    schedule: schedule === undefined ? undefined : parseSchedule(schedule),
    timeZone: timeZone === undefined ? undefined : parseTimeZone(timeZone),
    identity: identity === undefined ? undefined : parseIdentity(identity),
    admin: admin === undefined ? undefined : await adminOf(context, admin, adminIdentity, keyDir),
  });
}

/** @throws OspatchError `Usage` */
export async function adminOf(
  context: CliContext,
  user: string,
  identity: string | undefined,
  keyDir: string,
): Promise<Admin> {
  return { user: parseAdmin(user), identity: await adminKey(context, identity ?? 'agent', keyDir) };
}

/** `given`: checked options. Without a prompter, the defaults hold. */
export async function collect(
  context: CliContext,
  prompter: Prompter | null,
  given: Partial<InitAnswers>,
  options: InitOptions,
  keyDir: string,
): Promise<InitAnswers> {
  const defaults = { schedule: 'weekly', timeZone: ownZone(), identity: DEFAULT_IDENTITY, admin: null, jump: null };
  const { cluster = '', nodes = [] } = given;
  if (prompter === null) return { ...defaults, reboot: options.reboot === true, ...given, cluster, nodes };
  const asked = async <T>(value: T | undefined, ask: () => Promise<T>): Promise<T> => value ?? ask();
  const name = await asked(given.cluster, () =>
    prompter.ask({ text: 'name of the cluster, e.g. prod-eu', parse: parseNewCluster }),
  );
  const identity = await asked(given.identity, () => askIdentity(prompter, keyDir));
  const isFirst = given.nodes === undefined;
  const admin =
    given.admin !== undefined || !isFirst ? (given.admin ?? null) : await askAdmin(context, prompter, keyDir);
  const jump =
    given.jump !== undefined || !isFirst
      ? (given.jump ?? null)
      : await prompter.ask({
          text: 'jump host, [USER@]HOST[:PORT] (empty: none)',
          fallback: '',
          parse: (text) => (text === '' ? null : parseJump(text)),
        });
  const machines = await asked(given.nodes, () => askNodes(prompter));
  const schedule =
    'schedule' in given
      ? (given.schedule ?? null)
      : await prompter.ask({
          text: `schedule (${PRESETS.join(', ')}, none)`,
          fallback: 'weekly',
          parse: parseSchedule,
        });
  const timeZone =
    schedule === null
      ? (given.timeZone ?? defaults.timeZone)
      : await asked(given.timeZone, () =>
          prompter.ask({ text: 'time zone', fallback: defaults.timeZone, parse: parseTimeZone }),
        );
  const reboot = options.reboot ?? (await askReboot(prompter));
  return { cluster: name, identity, admin, jump, nodes: machines, schedule, timeZone, reboot };
}

async function askIdentity(prompter: Prompter, keyDir: string): Promise<string> {
  const isThere = await hasKey(keyDir, DEFAULT_IDENTITY);
  return prompter.ask({
    text: `key of the worker in ${keyDir}${isThere ? '' : ', made if missing'}`,
    fallback: DEFAULT_IDENTITY,
    parse: parseIdentity,
  });
}

async function askAdmin(context: CliContext, prompter: Prompter, keyDir: string): Promise<Admin | null> {
  prompter.note(
    'Your own login on the nodes, root or with full sudo -n, can place the key, the helper and the sudo rule.',
  );
  const user = await prompter.ask({
    text: 'user of that login (empty: the nodes are prepared otherwise)',
    fallback: '',
    parse: (text) => (text === '' ? null : parseAdmin(text)),
  });
  if (user === null) return null;
  const identity = await prompter.ask({
    text: 'its private key, a file or agent',
    ...defined({ fallback: (await usualAdminIdentity(context)) ?? undefined }),
    parse: (text) => adminKey(context, text, keyDir),
  });
  return { user, identity };
}

async function askNodes(prompter: Prompter): Promise<NodeAnswer[]> {
  const nodes: NodeAnswer[] = [];
  for (;;) {
    const isFirst = nodes.length === 0;
    const node = await prompter.ask({
      text: isFirst ? 'first node, [NAME=][USER@]HOST[:PORT]' : 'next node (empty: no more)',
      ...defined({ fallback: isFirst ? undefined : '' }),
      parse: (text): NodeAnswer | null => {
        if (text === '' && !isFirst) return null;
        const one = parseNode(text, nodes.length);
        assertDistinct([...nodes, one]);
        return one;
      },
    });
    if (node === null) return nodes;
    nodes.push(node);
  }
}

async function askReboot(prompter: Prompter): Promise<boolean> {
  prompter.note(
    'Some updates, such as a kernel, are in use only after a reboot. Without permission such a node is shown as reboot-pending.',
  );
  return prompter.confirm('may nodes be rebooted when an update requires it?');
}
