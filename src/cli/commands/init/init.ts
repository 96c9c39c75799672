/** `ospatch init`: everything is asked and read first, then written together, then the nodes are prepared and inspected. */

import { rm, rmdir } from 'node:fs/promises';
import path from 'node:path';
import type { Command } from 'commander';
import { parseDocuments } from '../../../client/load/documents';

import { OspatchError } from '../../../domain/shared/errors';
import { renderPath } from '../../../domain/spec/issues';
import { parseSpec } from '../../../domain/spec/parse';
import type { SelfManagedSpec } from '../../../domain/spec/types';
import { explainPolicy } from '../../../domain/policy/explain';
import { specRequests } from '../../../domain/policy/spec-requests';
import { readPolicy } from '../../../policy/read-policy';
import { knowsHost } from '../../../policy/targets';
import { parsePassphraseCommand } from '../../../ssh/builtin/passphrase';
import { defaultDirectory } from '../../../worker-directories';
import { defined } from '../../../domain/shared/defined';
import { canAsk } from '../../io/confirm';
import type { CliContext } from '../../io/context';
import { EXIT_INTERRUPTED } from '../../io/interrupt';
import { print, printNote } from '../../io/output';
import { Interrupted, Prompter } from '../../io/prompter';
import { globalOptions } from '../../options/global-options';
import type { InitAnswers } from './answers';
import { assertComplete, checkedOptions, collect } from './collect';
import type { PlannedFile } from './files';
import { assertWritable, missingDirectories, readIfThere, settleFiles, writeFiles } from './files';
import { finishInit } from './finish';
import type { InitOptions, InitPlaces } from './options';
import type { WorkerKey } from './keys';
import { ensureKey, hasKey } from './keys';
import type { KeyOptions } from './machines';

import { temporalSettings } from './temporal';
import { environmentText, policyText, specText } from './texts';
import { confirmHostKeys } from './host-keys';

/** As of workers and clients. */
const DEFAULT_QUEUE = 'ospatch';
const PUBLIC = 0o644;
const PRIVATE = 0o600;

/** @throws OspatchError */
export async function init(context: CliContext, command: Command, options: InitOptions): Promise<void> {
  const given = await checkedOptions(context, options, workerPlaces(context, options).keyDir);
  const isInteractive = options.yes !== true && canAsk(context);
  if (!isInteractive) assertComplete(options);
  const prompter = isInteractive ? new Prompter(context) : null;
  try {
    await setUp(context, command, prompter, given, options);
  } catch (error) {
    if (!(error instanceof Interrupted)) throw error;
    printNote(context, '\nnothing was written');
    context.setExitCode(EXIT_INTERRUPTED);
  } finally {
    prompter?.close();
  }
}

async function setUp(
  context: CliContext,
  command: Command,
  prompter: Prompter | null,
  given: Partial<InitAnswers>,
  options: InitOptions,
): Promise<void> {
  const { config, keyDir } = workerPlaces(context, options);
  const temporal = await temporalSettings(context, prompter, globalOptions(command), options);
  replaceConnection(command);
  const answers = await collect(context, prompter, given, options, keyDir);
  const places = placesOf(context, options, answers.cluster, { config, keyDir });
  const { spec: specFile, knownHosts, policy, environment } = places;
  await assertWritable([specFile, knownHosts, policy, environment, path.join(keyDir, answers.identity)]);
  const text = specText(answers);
  const spec = parsed(text);
  const keys = keyOptions(context, keyDir);
  const trusted = await confirmHostKeys(context, prompter, { answers, options, file: specFile, knownHosts, keys });
  if (trusted === null) return declined(context);
  const variables = {
    ...temporal,
    OSPATCH_POLICY: policy,
    ...defined({
      OSPATCH_KEY_DIR: keyDir === defaultDirectory('keys', context.env) ? undefined : keyDir,
      OSPATCH_TASK_QUEUE: context.env['OSPATCH_TASK_QUEUE'],
    }),
  };
  const planned: PlannedFile[] = [
    await plan(specFile, 'the spec of the cluster', () => text, PUBLIC),
    await plan(knownHosts, 'the trusted host keys', (before) => withLines(before, trusted), PUBLIC),
    await plan(
      policy,
      'what the worker may be asked for',
      (before) => policyFor(before, policy, spec, answers, context),
      PUBLIC,
    ),
    await plan(environment, 'the settings of the worker', (before) => environmentText(before, variables), PRIVATE),
  ];
  const wanted = await settleFiles(
    context,
    prompter,
    planned.filter(({ text: after }) => after !== ''),
    { isForced: options.force === true, newKey: await newKeyOf(keyDir, answers.identity) },
  );
  if (wanted === null) return declined(context);
  // From here on nothing is asked.
  prompter?.close();
  const key = await writeAll(context, wanted, keyDir, answers.identity);
  await finishInit(context, command, { answers, places, key, keys });
}

/** The connection that was tested, which is in the environment now, holds for the rest, not a first one that failed. */
function replaceConnection(command: Command): void {
  for (let one: Command | null = command; one !== null; one = one.parent)
    for (const name of ['address', 'namespace', 'profile']) one.setOptionValue(name, undefined);
}

function declined(context: CliContext): void {
  printNote(context, 'nothing was written');
  context.setExitCode(1);
}

/** The directory of the worker, and its keys in it. */
function workerPlaces(context: CliContext, { configDir }: InitOptions): { config: string; keyDir: string } {
  const usual = path.dirname(defaultDirectory('keys', context.env));
  const config = configDir === undefined ? usual : path.resolve(context.cwd, configDir);
  const named = context.env['OSPATCH_KEY_DIR'] ?? '';
  return { config, keyDir: named === '' ? path.join(config, 'keys') : path.resolve(context.cwd, named) };
}

function placesOf(
  context: CliContext,
  { dir }: InitOptions,
  cluster: string,
  { config, keyDir }: { config: string; keyDir: string },
): InitPlaces {
  const directory = path.resolve(context.cwd, dir ?? '.');
  const policy = context.env['OSPATCH_POLICY'] ?? '';
  return {
    spec: path.join(directory, `${cluster}.yaml`),
    knownHosts: path.join(directory, 'known_hosts'),
    policy: policy === '' ? path.join(config, 'policy.yaml') : path.resolve(context.cwd, policy),
    environment: path.join(config, 'worker.env'),
    keyDir,
  };
}

function keyOptions({ env }: CliContext, keyDir: string): KeyOptions {
  const passphraseCommand = parsePassphraseCommand(env['OSPATCH_PASSPHRASE_COMMAND']);
  return { keyDir, ...defined({ passphraseCommand, cryptoPolicy: env['OSPATCH_SSH_INCLUDE'] }) };
}

/** @throws OspatchError `Usage` */
function parsed(text: string): SelfManagedSpec {
  const { spec, issues } = parseSpec(parseDocuments(text).documents[0]?.value);
  const error = issues.find(({ severity }) => severity === 'error');
  if (error === undefined && spec?.type === 'self-managed') return spec;
  throw new OspatchError({
    type: 'Usage',
    message: `the spec would not be valid: ${error === undefined ? '' : `${renderPath(error.path)}: ${error.message}`}`,
    remedy: 'correct the option with this value',
  });
}

async function plan(
  file: string,
  what: string,
  textOf: (before: string | null) => string,
  mode: number,
): Promise<PlannedFile> {
  const before = await readIfThere(file);
  return { path: file, what, text: textOf(before), mode, before };
}

function withLines(before: string | null, lines: readonly string[]): string {
  if (lines.length === 0) return before ?? '';
  const start = before === null || before === '' || before.endsWith('\n') ? (before ?? '') : `${before}\n`;
  return `${start}${lines.join('\n')}\n`;
}

/** A policy that allows the cluster already is kept as it is. */
function policyFor(
  before: string | null,
  file: string,
  spec: SelfManagedSpec,
  answers: InitAnswers,
  { env }: CliContext,
): string {
  const queue = env['OSPATCH_TASK_QUEUE'] ?? DEFAULT_QUEUE;
  if (before !== null) {
    const { loaded } = readPolicy(file, []);
    if (loaded !== null && explainPolicy(loaded.policy, spec, specRequests(spec, queue), knowsHost(loaded)).allowed)
      return before;
  }
  const text = policyText(before, answers, queue);
  if (text !== null) return text;
  throw new OspatchError({
    type: 'Usage',
    message: `${file} is not a valid policy, so no rule can be added to it`,
    remedy: `correct it first: ospatch policy validate ${file}`,
  });
}

/** Null: the key exists, or the agent has the keys. */
async function newKeyOf(keyDir: string, identity: string): Promise<string | null> {
  return identity === 'agent' || (await hasKey(keyDir, identity)) ? null : path.join(keyDir, identity);
}

/** Null: the agent has the keys. */
async function writeAll(
  context: CliContext,
  files: readonly PlannedFile[],
  keyDir: string,
  identity: string,
): Promise<WorkerKey | null> {
  const made = await missingDirectories([keyDir, ...files.map(({ path: file }) => path.dirname(file))]);
  let key: WorkerKey | null = null;
  try {
    key = identity === 'agent' ? null : await ensureKey(keyDir, identity);
    await writeFiles(context, files);
  } catch (error) {
    if (key?.isNew === true) for (const half of [key.file, `${key.file}.pub`]) await rm(half, { force: true });
    // Only what is empty can be removed this way.
    for (const directory of made) await rmdir(directory).catch(() => undefined);
    throw error;
  }
  if (key !== null) print(context, `${key.isNew ? 'written' : 'kept'}: ${key.file} (the key of the worker)`);
  return key;
}
