/** Programs that an administrator has placed on the worker: the message is in variables of their environment. */
import path from 'node:path';
import { plainMessage } from '../domain/notifications/compose';
import { subjectOf } from '../domain/notifications/report';
import { NETWORK_VARIABLES, programEnvironment } from '../programs/environment';
import { findProgram } from '../programs/find-program';
import { cleanErrorOutput, lastLine } from '../programs/output';
import { runWorkerProgram } from '../programs/run-program';
import { UntrustedFile, checkTrusted } from '../trusted-file';
import { cloudEvent } from './webhook';
import { DeliveryFailure } from './failure';
import type { Sending, Sent } from './sending';

const TIMEOUT_MS = 45_000;
const MAX_OUTPUT_BYTES = 64 * 1024;

/** The settings of these programs, which an administrator may set for the worker. */
const OWN_VARIABLES = ['OSPATCH_NOTIFY_*'];

export async function sendToProgram(name: string, directory: string | null, sending: Sending): Promise<Sent> {
  const { input, message, id, signal } = sending;
  const program = find(name, directory);
  const env = programEnvironment({
    pass: [...NETWORK_VARIABLES, ...OWN_VARIABLES],
    set: {
      OSPATCH_MESSAGE_ID: id,
      OSPATCH_CLUSTER: input.cluster,
      OSPATCH_SUBJECT: subjectOf(input.report),
      OSPATCH_EVENTS: input.news.map(({ event }) => event).join(' '),
      OSPATCH_LEVEL: message.level,
      OSPATCH_TITLE: message.title,
      OSPATCH_TEXT: plainMessage(input.cluster, message),
      OSPATCH_EVENT_JSON: JSON.stringify(cloudEvent(input, message, id)),
    },
  });
  const args: string[] = [];
  const { end, stderr } = await runWorkerProgram(program, {
    args,
    env,
    signal,
    timeoutMs: TIMEOUT_MS,
    maxBytes: MAX_OUTPUT_BYTES,
  });
  const last = lastLine(cleanErrorOutput(stderr, env));
  const said = last === '' ? '' : ` (${last})`;
  switch (end.kind) {
    case 'exit':
      if (end.code === 0) return { answer: `the program ${name} exited with code 0`, thread: null };
      throw new DeliveryFailure(`the program ${name} exited with code ${end.code}${said}`, true);
    case 'signal':
      throw new DeliveryFailure(`the program ${name} was ended by ${end.signal}${said}`, true);
    case 'timeout':
      throw new DeliveryFailure(`the program ${name} did not end within ${TIMEOUT_MS / 1000} s${said}`, true);
    case 'too-much':
      throw new DeliveryFailure(
        `the program ${name} printed more than ${MAX_OUTPUT_BYTES / 1024} KiB and was ended`,
        true,
      );
    case 'not-started':
      throw new DeliveryFailure(`the program ${name} could not be run (${end.code})`, true);
  }
}

/** A program that others may change would run with the privileges of the worker. */
function find(name: string, directory: string | null): string {
  const place = `place the program ${name} in the worker's directory of notification programs (OSPATCH_NOTIFY_DIR), writable only for its owner`;
  const refuse = (why: string, remedy = place): DeliveryFailure => new DeliveryFailure(why, true, remedy);
  if (directory === null) throw refuse('the worker has no directory of notification programs');
  if (path.basename(name) !== name || name.startsWith('.')) throw refuse('the name of the program is not a bare name');
  try {
    const file = path.join(path.resolve(directory), name);
    checkTrusted(file, { secret: false });
    const found = findProgram(file, { searchPath: '' });
    if (found === null) throw refuse(`the program ${name} is not executable`, 'chmod +x the file on the worker');
    return found;
  } catch (error) {
    if (!(error instanceof UntrustedFile)) throw error;
    if (error.problem === 'missing') throw refuse(`the worker has no notification program ${name}`);
    throw refuse(error.message.replace('the file', `the program ${name}`), error.remedy);
  }
}
