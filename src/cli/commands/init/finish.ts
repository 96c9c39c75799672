/** After the files are written: the nodes are prepared and inspected, and the next commands printed. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import type { Command } from 'commander';
import { loadSpecs } from '../../../client/load/spec';
import { worstOf } from '../../../domain/shared/severity';
import type { SelfManagedSpec } from '../../../domain/spec/types';
import { clusterDiagnosis } from '../../../client/doctor';
import type { CliContext } from '../../io/context';
import { colors, print, printNote } from '../../io/output';
import { renderDoctor } from '../../render/doctor';
import { diagnoseFile } from '../doctor/diagnose';
import type { InitAnswers } from './answers';
import type { InitPlaces } from './options';
import type { WorkerKey } from './keys';
import type { KeyOptions } from './machines';
import { inspectFromHere } from './machines';
import { prepareAndReport } from './prepare';
import type { Inspected } from './settled';
import { settled } from './settled';

const SERVICE = '/usr/lib/systemd/system/ospatch-worker.service';

export interface Written {
  answers: InitAnswers;
  places: InitPlaces;
  /** Null: the agent has the keys. */
  key: WorkerKey | null;
  keys: KeyOptions;
}

/** Sets exit code 1 when a node could not be prepared, or a run would fail. */
export async function finishInit(context: CliContext, command: Command, written: Written): Promise<void> {
  const { places, answers } = written;
  const file = path.relative(context.cwd, places.spec) || places.spec;
  const { clusters } = await loadSpecs(places.spec, { requireHostKeys: true, now: context.now(), isNew: false });
  const spec = clusters.map((one) => one.spec).find(({ name }) => name === answers.cluster);
  if (spec?.type !== 'self-managed') return;
  const prepared = await prepare(context, spec, written);
  const { report, hasWorker } = await settled(context, prepared, () =>
    diagnose(context, command, spec, places.spec, written.keys),
  );
  if (report.verdict === 'error') context.setExitCode(1);
  print(context, renderDoctor(report, colors(context)));
  printNext(context, places, { file, hasWorker, isReady: report.verdict !== 'error' });
}

/** The nodes that are prepared now. */
async function prepare(context: CliContext, spec: SelfManagedSpec, { answers, key, keys }: Written): Promise<string[]> {
  const { admin } = answers;
  if (admin !== null) return prepareAndReport(context, spec, { admin, publicKey: key?.publicKey ?? null, keys });
  if (key?.isNew === true) printKeyTransfer(context, spec, key);
  return [];
}

/** Where the public half has to go. */
function printKeyTransfer(context: CliContext, { nodes }: SelfManagedSpec, key: WorkerKey): void {
  print(context, `The public half of the key has to be in ~/.ssh/authorized_keys of the login on each node:`);
  const logins = new Set<string>();
  for (const { ssh, host } of nodes) {
    for (const hop of ssh.jump ?? []) logins.add(copyCommand(key, hop.user, hop.host, hop.port));
    logins.add(copyCommand(key, ssh.user, host, ssh.port));
  }
  for (const login of logins) print(context, `  ${login}`);
}

function copyCommand({ file }: WorkerKey, user: string, host: string, port: number): string {
  return `ssh-copy-id -i ${file}.pub${port === 22 ? '' : ` -p ${port}`} ${user}@${host}`;
}

/** Through the workers where one polls; else from here, with the key of the worker. */
async function diagnose(
  context: CliContext,
  command: Command,
  spec: SelfManagedSpec,
  file: string,
  keys: KeyOptions,
): Promise<Inspected> {
  const report = await diagnoseFile(context, command, [file]);
  const isWithoutWorker = report.installation.some(({ check, severity }) => check === 'worker' && severity !== 'ok');
  if (!isWithoutWorker) return { report, hasWorker: true };
  printNote(context, 'no worker runs yet, so the nodes are inspected from here, with its key');
  const nodes = await inspectFromHere(spec, keys);
  // What is said of the worker is the next step.
  const installation = report.installation.filter(({ check }) => check !== 'worker');
  const clusters = report.clusters.map(({ cluster, findings }) =>
    clusterDiagnosis(
      cluster,
      findings.filter(({ check, severity }) => severity === 'ok' || (check !== 'nodes' && check !== 'worker')),
      nodes,
    ),
  );
  const verdict = worstOf([...installation, ...clusters.map((one) => ({ severity: one.verdict }))]);
  return { report: { verdict, installation, clusters }, hasWorker: false };
}

function printNext(
  context: CliContext,
  { environment }: InitPlaces,
  { file, hasWorker, isReady }: { file: string; hasWorker: boolean; isReady: boolean },
): void {
  const isService = process.geteuid?.() === 0 && existsSync(SERVICE);
  const settings = `  set -a; . ${environment}; set +a`;
  const apply = `  ospatch apply -f ${file} --wait`;
  const service = ['  systemctl enable --now ospatch-worker'];
  const worker = ['  ospatch worker', 'The worker runs until Ctrl-C. In another terminal:', settings];
  const start = hasWorker ? [] : isService ? service : worker;
  const next = isReady
    ? 'Next, in this terminal:'
    : 'Correct the errors above and repeat this command, which keeps what is right. Then, in this terminal:';
  print(context, ['', next, settings, ...start, apply].join('\n'));
}
