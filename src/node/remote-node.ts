/** One node, as typed calls. Every call is one round trip, except the first ever, which may have to bring the helper. */
import { OspatchError } from '../domain/errors';
import type { PackagePolicy } from '../domain/package-policy';
import type { RestartPolicy } from '../domain/restart-policy';
import type { NodeTarget } from '../domain/spec';
import { plainText } from '../domain/text';
import { unreachable } from '../ssh/connect-errors';
import type { ExecResult, Transport } from '../ssh/transport';
import type { NodeReading } from './facts';
import { parseFacts } from './facts';
import type { HelperAnswer, JobAnswer } from './helper-answer';
import { UNDERSTOOD, foreignProtocol, parseAnswer, parseJobAnswer } from './helper-answer';
import type { HelperScript } from './helper/script';
import { COMMAND_DIR, helperScript } from './helper/script';
import { helperCommand, helperDefect, helperMissing } from './helper-call';
import { installHelper } from './install';
import type { Job } from './job-id';
import { checkBootId, checkCommandName, checkToken, formatJobId } from './job-id';
import { noCommands } from './login-shell';
import { policyParameters, restartParameters } from './policy-parameters';
import { privilegePrefix, sudoDenied, sudoReason } from './privilege';
import { redactSecrets } from './sanitize';

/** Beyond the wait that was asked for; the slowest answer is `pending` on a small machine. */
const ANSWER_TIMEOUT_MS = 60_000;

/** A probe of a machine that may be going down must not hang on it. */
const PROBE_TIMEOUT_MS = 15_000;

export interface StartParameters {
  /** `plan` refreshes the package lists first. */
  refresh?: boolean;
  /** `apply` changes nothing unless the set of changes has this digest. */
  expect?: string;
  /** Which packages are patched. */
  packages?: PackagePolicy | undefined;
  /** Which services may be restarted. */
  restart?: { policy: RestartPolicy; drained: boolean };
  /** How long the call itself waits for the end, in seconds, at most 60. */
  waitSeconds: number;
}

export interface RemoteNodeOptions {
  /** Default: the one of this version. */
  helper?: HelperScript;
  /** Hears of what a person should know but what stops nothing. */
  onNotice?: (text: string) => void;
}

export type RebootAnswer = 'rebooting' | 'rebooted' | 'busy';

/** Log bytes per call. */
const MAX_LOG_BYTES = 64 * 1024;

/**
 * Methods fail with an `OspatchError`: whatever the transport says, and `SudoDenied`, `HelperMissing`,
 * `HelperProtocol`, `UnsupportedOs` or `DiskFull`.
 */
export class RemoteNode {
  /** Where this object has placed the helper; null when it was there already. */
  helperPlaced: string | null = null;
  private readonly helper: HelperScript;
  private readonly privilege: string;

  constructor(
    readonly target: NodeTarget,
    private readonly transport: Transport,
    private readonly signal?: AbortSignal,
    private readonly options: RemoteNodeOptions = {},
  ) {
    this.privilege = privilegePrefix(target.ssh.user);
    this.helper = options.helper ?? helperScript();
  }

  get name(): string {
    return this.target.name;
  }

  async facts(options: { probe?: boolean } = {}): Promise<NodeReading> {
    const answer = await this.call('facts', {
      timeoutMs: options.probe === true ? PROBE_TIMEOUT_MS : ANSWER_TIMEOUT_MS,
    });
    const reading = parseFacts(answer.protocol, redactSecrets(answer.body.toString()));
    if (reading === null) throw this.protocolError('its facts are incomplete');
    return reading;
  }

  /** What a patch would change by the package lists the node has. Changes nothing and needs no lock. */
  pending(packages?: PackagePolicy): Promise<JobAnswer> {
    return this.job('pending', { stdin: parameterLines(policyParameters(packages)) });
  }

  /** Starts a phase, or finds it running or done: a job id runs at most once, ever. */
  start(job: Job, parameters: StartParameters): Promise<JobAnswer> {
    const lines = [`wait=${parameters.waitSeconds}`, `max=${MAX_LOG_BYTES}`];
    if (parameters.refresh === true) lines.push('refresh=yes');
    if (parameters.expect !== undefined) lines.push(`expect=${parameters.expect}`);
    lines.push(...policyParameters(parameters.packages));
    if (parameters.restart !== undefined) {
      lines.push(...restartParameters(parameters.restart.policy, parameters.restart.drained));
    }
    return this.job(`start ${formatJobId(job)} ${job.phase}`, {
      stdin: parameterLines(lines),
      timeoutMs: ANSWER_TIMEOUT_MS + parameters.waitSeconds * 1000,
    });
  }

  /** State and log from `offset`; waits up to `waitSeconds` for the end. */
  poll(job: Job, offset: number, waitSeconds: number): Promise<JobAnswer> {
    return this.job(`poll ${formatJobId(job)} ${offset} ${MAX_LOG_BYTES} ${waitSeconds}`, {
      timeoutMs: ANSWER_TIMEOUT_MS + waitSeconds * 1000,
    });
  }

  /** The newest `maxBytes` of the logs of one node patch; null stands for the newest one on the node. */
  async log(token: string | null, maxBytes: number): Promise<Buffer> {
    const wanted = token === null ? 'last' : checkToken(token);
    const answer = await this.call(`log ${wanted} ${maxBytes}`, { maxBytes: maxBytes + 4096 });
    return answer.body;
  }

  /** Asks for a reboot, which happens only if the node still has this boot id. May be repeated. */
  async reboot(bootId: string, command?: string): Promise<RebootAnswer> {
    const by = command === undefined ? '' : ` ${checkCommandName(command)}`;
    const answer = await this.call(`reboot ${checkBootId(bootId)}${by}`);
    const state = answer.fields.get('state');
    if (state === 'rebooting' || state === 'rebooted' || state === 'busy') return state;
    throw this.refused(answer);
  }

  /** The next call logs in anew: only a full login proves that the node is there. */
  disconnect(): void {
    this.transport.close();
  }

  private async job(command: string, options: CallOptions = {}): Promise<JobAnswer> {
    const answer = await this.call(command, options);
    const job = parseJobAnswer(answer);
    if (job === null) throw this.refused(answer);
    return job.state === 'done' ? { ...job, result: redactSecrets(job.result) } : job;
  }

  private async call(command: string, options: CallOptions = {}): Promise<HelperAnswer> {
    const first = await this.exec(command, options);
    const answer = parseAnswer(first.stdout);
    if (answer !== null) return this.complete(answer, first);
    const refused = noCommands(this.name, this.target.ssh.user, first);
    if (refused !== null) throw refused;
    await this.bringHelper(first);
    const second = await this.exec(command, options);
    const retried = parseAnswer(second.stdout);
    if (retried === null) throw this.noAnswer(second);
    return this.complete(retried, second);
  }

  private exec(command: string, { timeoutMs = ANSWER_TIMEOUT_MS, ...rest }: CallOptions): Promise<ExecResult> {
    const signal = this.signal === undefined ? {} : { signal: this.signal };
    const line = helperCommand(this.helper, this.privilege, command);
    return this.transport.exec(line, { ...rest, ...signal, timeoutMs });
  }

  /** After a call that got no answer: installs the helper if that is what was missing, and says what was if not. */
  private async bringHelper(result: ExecResult): Promise<void> {
    const defect = helperDefect(result.stdout);
    if (defect === null) throw this.noAnswer(result);
    if (this.target.ssh.helper !== 'auto') {
      throw helperMissing(this.name, this.target.ssh.user, this.helper, defect);
    }
    await installHelper(this.target, this.transport, this.helper, this.signal);
    this.helperPlaced = this.helper.path;
    if (defect.kind === 'changed') {
      this.options.onNotice?.(
        `the helper was changed by somebody (sha256 ${defect.found ?? 'unknown'}); it was not run and is replaced`,
      );
    }
  }

  private complete(answer: HelperAnswer, result: ExecResult): HelperAnswer {
    if (result.truncated) throw this.protocolError('its answer is too long');
    return answer;
  }

  private noAnswer(result: ExecResult): OspatchError {
    const text = result.stdout.toString();
    const protocol = foreignProtocol(result.stdout);
    if (protocol !== null) {
      return this.protocolError(
        `it speaks protocol ${protocol} and this worker ${UNDERSTOOD.join(' and ')} (it needs ${this.helper.path}, sha256 ${this.helper.digest})`,
        `bring the helper of this version with \`ospatch helper install -f SPEC --node ${this.name}\``,
      );
    }
    if (/^ospatch \d+ /m.test(text)) {
      return this.protocolError(
        'other text comes before its answer',
        `keep the login shell of ${this.target.ssh.user} from printing anything for commands (.bashrc and the like)`,
      );
    }
    if (result.code === null) return this.brokenOff(result.signal);
    const { user } = this.target.ssh;
    const said = sudoReason(result) || plainText(redactSecrets(text), 200).replace(/\.$/, '') || 'nothing';
    if (this.privilege !== '' && result.code !== 0) return sudoDenied(this.name, user, result);
    return this.protocolError(`it ended with code ${result.code} and said: ${said}`);
  }

  /** What a machine does to every session when it goes down; that it lacks a right is nothing anybody can know then. */
  private brokenOff(signal: string | null): OspatchError {
    const { name, host, ssh } = this.target;
    return unreachable({ name, host, port: ssh.port }, `the call was ended there by ${signal ?? 'an unknown signal'}`);
  }

  private refused(answer: HelperAnswer): OspatchError {
    const why = answer.fields.get('why') ?? 'an incomplete answer';
    if (why === 'disk-full') {
      return new OspatchError({
        type: 'DiskFull',
        message: `no job can be started on ${this.name}: /var/lib/ospatch cannot be written.`,
        remedy: `free some space on ${this.name}`,
      });
    }
    if (why === 'bad-command') {
      return new OspatchError({
        type: 'Policy',
        message: `${this.name} was not rebooted: the program of patching.rebootCommand is missing there or not safe to run.`,
        remedy: `place it in ${COMMAND_DIR} on ${this.name}, executable, owned by root and writable for nobody else`,
      });
    }
    if (why === 'read-only') {
      return new OspatchError({
        type: 'Unhealthy',
        message: `no job can be started on ${this.name}: /var/lib/ospatch is on a read-only file system.`,
        remedy: `find out why (\`dmesg\`), mount it writable on ${this.name}, then patch the node again`,
      });
    }
    return this.protocolError(`it answered with ${plainText(why, 100)}`);
  }

  private protocolError(what: string, remedy?: string): OspatchError {
    return new OspatchError({
      type: 'HelperProtocol',
      message: `the helper on ${this.name} cannot be understood: ${what}.`,
      ...(remedy === undefined ? {} : { remedy }),
    });
  }
}

/** A cut-off upload has no line `end`. */
function parameterLines(lines: readonly string[]): string {
  return [...lines, 'end', ''].join('\n');
}

interface CallOptions {
  stdin?: string;
  timeoutMs?: number;
  maxBytes?: number;
}
