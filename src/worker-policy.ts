/** The policy of a worker as its log shows it, and what else its owner should know about who may ask. */
import { resolve } from 'node:path';
import type { NativeConnectionOptions } from '@temporalio/worker';
import { isLoopback } from './domain/shared/loopback';
import { plural } from './domain/shared/plural';
import { OspatchError } from './domain/shared/errors';
import { PolicyFile } from './policy/policy-file';
import { usesTls } from './temporal-config';

/** The used part of a pino logger. */
interface Log {
  info(fields: Record<string, unknown>, message: string): void;
  warn(fields: Record<string, unknown>, message: string): void;
}

/**
 * The path in `OSPATCH_POLICY`; null without the variable.
 *
 * @throws OspatchError `Usage` for an empty variable, which may be a mistake in a unit file and must not mean "no policy"
 */
export function policyPathFromEnv(env: NodeJS.ProcessEnv): string | null {
  const path = env['OSPATCH_POLICY'];
  if (path === undefined) return null;
  if (path.trim() !== '') return resolve(path);
  throw new OspatchError({
    type: 'Usage',
    message: 'OSPATCH_POLICY is empty; allowed: the path of a policy file',
    remedy: 'name the file, or unset the variable for a worker without a policy',
  });
}

/** A policy that writes each change into the log, and says at once what is in force. */
export function loggedPolicy(path: string | null, log: Log): PolicyFile {
  const policy = new PolicyFile(path, {
    loaded: ({ digest, policy: { rules }, knownHosts, signers }) =>
      log.info(
        { policy: path, digest, rules: rules.length, knownHosts: knownHosts?.file, signers: signers?.file },
        `a policy of ${plural(rules.length, 'rule')} is in force`,
      ),
    unusable: (why) => log.warn({ policy: path, why }, 'the policy cannot be used; all requests wait until it can'),
  });
  if (path === null) {
    log.warn(
      {},
      'this worker has no policy (OSPATCH_POLICY): whoever may write to its Temporal namespace may use all its keys, kubeconfigs, hooks and AWS profiles on any host',
    );
    return policy;
  }
  try {
    policy.current();
  } catch {
    // The listener has logged why. A corrected file is read by the next request.
  }
  return policy;
}

/** Warns when what others could read or change on the way to Temporal are commands with the rights of this worker. */
export function warnOfPlainText(options: NativeConnectionOptions, log: Log): void {
  const { address = '127.0.0.1:7233' } = options;
  if (usesTls(options) || isLoopback(address)) return;
  log.warn(
    { address },
    'the connection to Temporal has no TLS: whoever is on the way can read requests and make them; see docs/security.md',
  );
}
