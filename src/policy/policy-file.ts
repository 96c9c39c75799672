/** The policy of this worker: read again whenever its files have changed. */
import type { WorkerPolicy } from '../domain/policy/types';
import { OspatchError, isOspatchError } from '../domain/shared/errors';
import { plural } from '../domain/shared/plural';
import { RetryLater } from '../retry/slot-release';
import type { LoadedPolicy } from './read-policy';
import { describeProblem, fingerprintOf, readPolicy } from './read-policy';

/** A corrected file is noticed within this time, without load on the server. */
const RETRY_MS = 15_000;

/** Told when the policy in force changes, or when its files cannot be used any more; once each. */
export interface PolicyListener {
  loaded(policy: LoadedPolicy): void;
  unusable(why: string): void;
}

const NO_LISTENER: PolicyListener = { loaded: () => undefined, unusable: () => undefined };

/**
 * With a path, there is a policy in force or no request is answered: a file that is missing, cannot be understood or can be
 * changed by others never means that everything is allowed.
 */
export class PolicyFile {
  private kept: { loaded: LoadedPolicy; fingerprint: string } | null = null;
  private inForce: string | null = null;

  /** `path` null: the worker has no policy. */
  constructor(
    readonly path: string | null,
    private readonly listener: PolicyListener = NO_LISTENER,
  ) {}

  /**
   * The policy in force; null when none is configured.
   *
   * @throws RetryLater with the reason when the files cannot be used
   */
  current(): WorkerPolicy | null {
    return this.load()?.policy ?? null;
  }

  /** The same with what belongs to it. */
  load(): LoadedPolicy | null {
    if (this.path === null) return null;
    const kept = this.unchanged();
    if (kept !== null) return kept;
    const { loaded, problems } = readPolicy(this.path);
    if (loaded === null) throw this.unusable(this.path, problems.map(describeProblem));
    this.kept = { loaded, fingerprint: fingerprintOr(loaded, '') };
    // Whether it has been changed since it was read, and would otherwise be taken for unchanged.
    const again = readPolicy(this.path).loaded;
    if (JSON.stringify(again) !== JSON.stringify(loaded)) this.kept.fingerprint = '';
    this.tell(`loaded ${loaded.digest}`, () => this.listener.loaded(loaded));
    return loaded;
  }

  private unchanged(): LoadedPolicy | null {
    if (this.kept === null) return null;
    const { loaded, fingerprint } = this.kept;
    return fingerprintOr(loaded, null) === fingerprint ? loaded : null;
  }

  private unusable(path: string, problems: readonly string[]): RetryLater {
    const [first = 'unknown reason', ...others] = problems;
    const why = others.length === 0 ? first : `${first} (and ${plural(others.length, 'more problem')})`;
    this.kept = null;
    this.tell(`unusable ${why}`, () => this.listener.unusable(why));
    const cause = new OspatchError({
      type: 'Denied',
      message: `the worker answers no request, because its policy ${path} cannot be used: ${why}`,
      remedy: 'ask the owner of the worker to correct the file; ospatch policy validate FILE shows what is wrong',
    });
    const waitingFor = `a usable policy of the worker (${path}: ${why})`;
    return new RetryLater({ kind: 'policy', observedMs: 0, maxDelayMs: RETRY_MS }, RETRY_MS, waitingFor, { cause });
  }

  private tell(state: string, tell: () => void): void {
    if (this.inForce === state) return;
    this.inForce = state;
    tell();
  }
}

/** `otherwise`: of files that cannot be used any more; reading them again describes why. */
function fingerprintOr<T>(loaded: LoadedPolicy, otherwise: T): string | T {
  try {
    return fingerprintOf(loaded);
  } catch (error) {
    if (isOspatchError(error)) return otherwise;
    throw error;
  }
}
