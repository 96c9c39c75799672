/** Typed calls to one node. Each call is one round trip, except the first, which may have to install the helper. */
import { randomUUID } from 'node:crypto';
import { OspatchError } from '../domain/shared/errors';
import type { PackagePolicy } from '../domain/spec/package-policy';
import type { RestartPolicy } from '../domain/spec/restart-policy';
import type { NodeTarget } from '../domain/spec/types';
import { plainText, withoutFullStop } from '../domain/shared/text';
import { CALL_TIMEOUT_MS, FACTS_TIMEOUT_MS, PROBE_TIMEOUT_MS } from '../domain/node/time-limits';
import { unreachable } from '../ssh/connect-errors';
import type { ExecResult, Transport } from '../ssh/transport';
import type { FactsReading } from './facts';
import { parseFacts } from './facts';
import type { NodeProbe } from './probe';
import { parseProbe, rebootRefused } from './probe';
import { startFailure, startRefused } from './start-failure';
import type { HelperAnswer, JobAnswer } from './job/answer';
import { MAX_RESULT_BYTES, UNDERSTOOD, unsupportedProtocol, parseAnswer, parseJobAnswer } from './job/answer';
import type { HelperScript } from './helper/script';
import { COMMAND_DIR, HELPER_DIR, helperScript } from './helper/script';
import { exposedHelper, helperCommand, helperDefect, helperMissing, passingHelperCommand } from './job/call';
import { exposedError } from './exposed';
import { installHelper } from './install';
import type { Job } from './job/id';
import { checkBootId, checkCommandName, checkToken, formatJobId } from './job/id';
import { loginShellError, runsNothing } from './login-shell';
import { policyParameters, restartParameters } from './policy-parameters';
import type { Privilege } from './privilege';
import { checkRightsCommand, deniedCall, privilegeOf, sudoDenied, sudoReason } from './privilege';
import { redactSecrets } from '../domain/shared/redact';
import { defined } from '../domain/shared/defined';

export interface StartParameters {
  /** `plan` refreshes the package lists first. */
  refresh?: boolean;
  /** `apply` changes nothing unless the set of changes has this digest. */
  expect?: string;
  /** Which packages are patched. */
  packages?: PackagePolicy | undefined;
  /** Which services may be restarted. */
  restart?: { policy: RestartPolicy; drained: boolean };
  /** Limit for waiting for locks of other programs; default: 2 hours. */
  lockTimeoutMs?: number | undefined;
  /** How long the call waits for the end of the job, in seconds, at most 60. */
  waitSeconds: number;
}

/** Parameters of a job that must have begun on the node by `beginByMs`, epoch milliseconds; undefined: no limit. */
export interface JobParameters extends StartParameters {
  beginByMs?: number | undefined;
}

export interface RemoteNodeOptions {
  /** Default: the helper of this version. */
  helper?: HelperScript;
  /** Leaves nothing on a node that lacks the helper: the helper is sent with every call. Default: the helper is installed. */
  leaveNothing?: boolean;
  /** Receives notices that do not fail the call. */
  onNotice?: (text: string) => void;
}

export interface RebootAnswer {
  state: 'rebooting' | 'rebooted' | 'busy';
  /** The job that occupies a busy node; may be empty. */
  holder: string;
}

/** Far more than any node has to say; a compromised one may send more. */
const MAX_FACTS_BYTES = 512 * 1024;
const MAX_PROBE_BYTES = 64 * 1024;

/** Log bytes per call. */
const MAX_LOG_BYTES = 64 * 1024;

/**
 * Methods throw an `OspatchError`: any transport error, `SudoDenied`, `HelperMissing`, `HelperProtocol`,
 * `UnsupportedOs` or `DiskFull`.
 */
export class RemoteNode {
  /** Path to which this object has installed the helper; null when it was installed before. */
  helperPlaced: string | null = null;
  private readonly helper: HelperScript;
  private readonly privilege: Privilege;
  /** A call was answered, so the login may run the helper, at least with some arguments. */
  private answered = false;
  /** The helper is sent with every call. */
  private passing = false;

  constructor(
    readonly target: NodeTarget,
    private readonly transport: Transport,
    private readonly signal?: AbortSignal,
    private readonly options: RemoteNodeOptions = {},
  ) {
    this.privilege = privilegeOf(target.ssh.user);
    this.helper = options.helper ?? helperScript();
  }

  get name(): string {
    return this.target.name;
  }

  async facts(): Promise<FactsReading> {
    const answer = await this.call('facts', { timeoutMs: FACTS_TIMEOUT_MS, maxBytes: MAX_FACTS_BYTES });
    const reading = parseFacts(answer.protocol, redactSecrets(answer.body.toString()));
    if (reading === null) throw this.protocolError('its facts are incomplete');
    return reading;
  }

  /** A fast check of the boot state, for a node that may be shutting down or still booting. */
  async probe(): Promise<NodeProbe> {
    const answer = await this.call('probe', { timeoutMs: PROBE_TIMEOUT_MS, maxBytes: MAX_PROBE_BYTES });
    return parseProbe(redactSecrets(answer.body.toString())) ?? this.fail('its answer to a probe is incomplete');
  }

  /**
   * Checks whether jobs can be started, by starting one that does nothing.
   *
   * @throws OspatchError the error of a failed start
   */
  async tryStart(): Promise<void> {
    const answer = await this.call('probe start');
    const { startError } = parseProbe(redactSecrets(answer.body.toString())) ?? this.fail('its answer is incomplete');
    if (startError !== null) throw startRefused(this.name, startError);
  }

  /** What a patch would change, by the node's current package lists. Changes nothing and needs no lock. */
  pending(packages?: PackagePolicy): Promise<JobAnswer> {
    return this.job('pending', { stdin: parameterLines(policyParameters(packages)) });
  }

  /** Starts a phase, or returns the state of the job if it was started before: a job id runs at most once. */
  start(job: Job, parameters: StartParameters): Promise<JobAnswer> {
    const lines = [`wait=${parameters.waitSeconds}`, `max=${MAX_LOG_BYTES}`];
    if (parameters.refresh === true) lines.push('refresh=yes');
    if (parameters.expect !== undefined) lines.push(`expect=${parameters.expect}`);
    if (parameters.lockTimeoutMs !== undefined) lines.push(`lock_wait=${Math.ceil(parameters.lockTimeoutMs / 1000)}`);
    lines.push(...policyParameters(parameters.packages));
    if (parameters.restart !== undefined) {
      lines.push(...restartParameters(parameters.restart.policy, parameters.restart.drained));
    }
    return this.job(`start ${formatJobId(job)} ${job.phase}`, {
      stdin: parameterLines(lines),
      timeoutMs: CALL_TIMEOUT_MS + parameters.waitSeconds * 1000,
    });
  }

  /** State and log from `offset`; waits up to `waitSeconds` for the end of the job. */
  poll(job: Job, offset: number, waitSeconds: number): Promise<JobAnswer> {
    return this.job(`poll ${formatJobId(job)} ${offset} ${MAX_LOG_BYTES} ${waitSeconds}`, {
      timeoutMs: CALL_TIMEOUT_MS + waitSeconds * 1000,
    });
  }

  /** The last `maxBytes` of the logs of one node patch; null: the newest patch on the node. */
  async log(token: string | null, maxBytes: number): Promise<Buffer> {
    const wanted = token === null ? 'last' : checkToken(token);
    const answer = await this.call(`log ${wanted} ${maxBytes}`, { maxBytes: maxBytes + 4096 });
    return answer.body;
  }

  /** Requests a reboot, which happens only if the node still has this boot id. Idempotent. */
  async reboot(bootId: string, command?: string): Promise<RebootAnswer> {
    const by = command === undefined ? '' : ` ${checkCommandName(command)}`;
    const answer = await this.call(`reboot ${checkBootId(bootId)}${by}`);
    const state = answer.fields.get('state');
    if (state === 'rebooting' || state === 'rebooted' || state === 'busy') {
      return { state, holder: answer.fields.get('holder') ?? '' };
    }
    if (answer.fields.get('why') === 'reboot-failed') {
      throw rebootRefused(this.name, `the helper could not request it: ${saidIn(answer)}`);
    }
    throw this.refused(answer);
  }

  /**
   * Checks, without any effect, whether all calls of a patch are allowed: a rule may allow `facts` but not `start`.
   *
   * @throws OspatchError `SudoDenied` when a call is not allowed
   */
  async checkRights(): Promise<void> {
    const { user } = this.target.ssh;
    if (user === 'root') return;
    const signal = defined({ signal: this.signal });
    const command = checkRightsCommand(user, this.helper.path);
    const result = await this.transport.exec(command, { ...signal, timeoutMs: CALL_TIMEOUT_MS });
    const denied = deniedCall(result);
    if (denied === null) return;
    throw sudoDenied(
      { node: this.name, user, path: this.helper.path, doing: 'run', call: verbOf(denied.call) },
      { ...result, stderr: Buffer.from(denied.said) },
    );
  }

  /** Forces a new login for the next call: only a full login proves that the node is up. */
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
    const exposed = exposedHelper(first.stdout);
    if (exposed !== null) throw exposedError(this.name, exposed);
    const refused = loginShellError(this.name, this.target.ssh.user, first);
    if (refused !== null) throw refused;
    await this.ensureHelper(first, command, await this.brokenLogin(first));
    const second = await this.exec(command, options);
    const retried = parseAnswer(second.stdout);
    if (retried === null) throw this.cannotRun(second) ?? this.noAnswer(second, command);
    return this.complete(retried, second);
  }

  private exec(command: string, { timeoutMs = CALL_TIMEOUT_MS, ...rest }: CallOptions): Promise<ExecResult> {
    const signal = defined({ signal: this.signal });
    if (this.passing) {
      const stdin = Buffer.concat([this.helper.content, Buffer.from(rest.stdin ?? '')]);
      const line = passingHelperCommand(this.helper, this.privilege, command);
      return this.transport.exec(line, { ...rest, ...signal, stdin, timeoutMs });
    }
    const line = helperCommand(this.helper, this.privilege, command);
    return this.transport.exec(line, { ...rest, ...signal, timeoutMs });
  }

  /** Rules out a login that does not run commands, before sudo or the helper is blamed. Null when commands run. */
  private async brokenLogin({ stdout, code }: ExecResult): Promise<OspatchError | null> {
    if (code === null || helperDefect(stdout) !== null || /^ospatch \d+ /m.test(stdout.toString())) return null;
    const word = `ospatch-login-${randomUUID()}`;
    const signal = defined({ signal: this.signal });
    const echoed = await this.transport.exec(`echo ${word}`, { ...signal, timeoutMs: CALL_TIMEOUT_MS });
    if (echoed.code === null || echoed.stdout.includes(word)) return null;
    return runsNothing(this.name, this.target.ssh.user, echoed);
  }

  /** After a call without an answer: installs the helper if it was missing, else throws the cause. */
  private async ensureHelper(result: ExecResult, command: string, brokenLogin: OspatchError | null): Promise<void> {
    const defect = helperDefect(result.stdout);
    if (defect === null) throw brokenLogin ?? this.noAnswer(result, command);
    if (this.target.ssh.helper !== 'auto') {
      throw helperMissing(this.name, this.target.ssh.user, this.helper, defect);
    }
    if (this.options.leaveNothing === true) {
      this.passing = true;
      return;
    }
    await installHelper(this.target, this.transport, this.helper, this.signal);
    this.helperPlaced = this.helper.path;
    if (defect.kind === 'changed') {
      this.options.onNotice?.(
        `the helper was modified by someone (sha256 ${defect.found ?? 'unknown'}); the file was not run and is replaced`,
      );
    }
  }

  private complete(answer: HelperAnswer, result: ExecResult): HelperAnswer {
    this.answered = true;
    if (answer.fields.get('why') === 'exposed') throw this.refused(answer);
    if (result.truncated) throw this.protocolError('its answer is too long');
    return answer;
  }

  private noAnswer(result: ExecResult, command: string): OspatchError {
    const text = result.stdout.toString();
    const protocol = unsupportedProtocol(result.stdout);
    if (protocol !== null) {
      return this.protocolError(
        `it speaks protocol ${protocol} and this worker ${UNDERSTOOD.join(' and ')} (it needs ${this.helper.path}, sha256 ${this.helper.digest})`,
        `install the helper of this version with \`ospatch helper install -f SPEC --node ${this.name}\``,
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
    const said = sudoReason(result) || withoutFullStop(plainText(redactSecrets(text), 200)) || 'nothing';
    if (user !== 'root' && result.code !== 0) {
      const call = this.answered ? verbOf(command) : null;
      return sudoDenied({ node: this.name, user, path: this.helper.path, doing: 'run', call }, result);
    }
    return this.protocolError(`it exited with code ${result.code} and printed: ${said}`);
  }

  /** Sessions end this way when the machine shuts down, so the cause is not a missing permission. */
  private brokenOff(signal: string | null): OspatchError {
    const { name, host, ssh } = this.target;
    return unreachable({ name, host, port: ssh.port }, `the call was ended there by ${signal ?? 'an unknown signal'}`);
  }

  private refused(answer: HelperAnswer): OspatchError {
    const why = answer.fields.get('why') ?? 'an incomplete answer';
    const failed = startFailure(why, answer.fields.get('at') ?? '', saidIn(answer));
    if (failed !== null) return startRefused(this.name, failed);
    if (why === 'short-upload') {
      const { name, host, ssh } = this.target;
      return unreachable({ name, host, port: ssh.port }, 'the connection was lost while a call was being sent');
    }
    if (why === 'result-too-large') {
      return new OspatchError({
        type: 'PackageManager',
        message: `what the package manager of ${this.name} lists is larger than ${MAX_RESULT_BYTES / 2 ** 20} MiB, which is not plausible`,
        remedy: `see the file \`result\` of the newest job in /var/lib/ospatch/runs on ${this.name}`,
      });
    }
    if (why === 'slow-pending') {
      return new OspatchError({
        type: 'PackageManager',
        message: `${this.name} is slow: its package manager did not list the pending packages within 50 s`,
        remedy: `see on ${this.name} what slows it down (load, disk, memory), and run the package manager by hand`,
      });
    }
    if (why === 'bad-command') {
      return new OspatchError({
        type: 'Policy',
        message: `${this.name} was not rebooted: the program of patching.rebootCommand is missing there or not safe to run`,
        remedy: `place it in ${COMMAND_DIR} on ${this.name}, executable, owned by root and writable for nobody else`,
      });
    }
    return this.protocolError(`it answered with ${plainText(why, 100)}`);
  }

  /** The helper was just installed and still cannot be run. */
  private cannotRun({ stdout }: ExecResult): OspatchError | null {
    if (helperDefect(stdout)?.kind !== 'mode') return null;
    return new OspatchError({
      type: 'HelperMissing',
      message: `the helper was placed on ${this.name} as ${this.helper.path} and cannot be executed there`,
      remedy: `see on ${this.name} whether /usr/local is mounted noexec (\`findmnt -T ${HELPER_DIR}\`) or who may enter ${HELPER_DIR}`,
    });
  }

  private fail(what: string): never {
    throw this.protocolError(what);
  }

  private protocolError(what: string, remedy?: string): OspatchError {
    return new OspatchError({
      type: 'HelperProtocol',
      message: `the answer of the helper on ${this.name} cannot be parsed: ${what}`,
      ...defined({ remedy }),
    });
  }
}

/** The reason that follows the first line of a refusal. */
function saidIn({ body }: HelperAnswer): string {
  return withoutFullStop(plainText(redactSecrets(body.toString()), 300));
}

function verbOf(command: string): string {
  return command.replace(/ .*/s, '');
}

/** A truncated upload lacks the line `end`. */
function parameterLines(lines: readonly string[]): string {
  return [...lines, 'end', ''].join('\n');
}

interface CallOptions {
  stdin?: string;
  timeoutMs?: number;
  maxBytes?: number;
}
