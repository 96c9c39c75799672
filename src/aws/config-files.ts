/** The configuration files of the AWS SDK, which hold credentials and may name programs (`credential_process`). */
import { homedir } from 'node:os';
import path from 'node:path';
import { UntrustedFile, checkTrusted } from '../trusted-file';
import { AwsError } from './errors';

/**
 * Checks that only root and the worker can change the files, and that nobody else reads the credentials.
 *
 * @throws AwsError `credentials`
 */
export function checkAwsFiles(env: NodeJS.ProcessEnv = process.env): void {
  const home = path.join(homedir(), '.aws');
  check(env['AWS_CONFIG_FILE'] ?? path.join(home, 'config'), 'the AWS configuration', false);
  check(env['AWS_SHARED_CREDENTIALS_FILE'] ?? path.join(home, 'credentials'), 'the AWS credentials file', true);
}

function check(file: string, what: string, secret: boolean): void {
  // The usual way to name no file.
  if (file === '/dev/null') return;
  try {
    checkTrusted(file, { secret, what });
  } catch (error) {
    if (!(error instanceof UntrustedFile)) throw error;
    // The SDK takes a file that it does not find or cannot read for an empty one.
    if (error.problem === 'missing' || error.problem === 'unreadable') return;
    throw new AwsError('credentials', '', error.message, error.remedy);
  }
}
