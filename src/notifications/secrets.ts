/** Reads secrets of notifications from files of the worker, by name. Never cached: a secret that is replaced counts at once. */
import path from 'node:path';
import { OspatchError } from '../domain/shared/errors';
import { UntrustedFile, readTrusted } from '../trusted-file';
import { DeliveryFailure } from './failure';

const MAX_SECRET_BYTES = 64 * 1024;

export class Secrets {
  /** Everything that was read, so that no message of an error contains it. */
  readonly values: string[] = [];

  constructor(private readonly directory: string) {}

  /** The content of a file without white space around it. @throws DeliveryFailure when the file cannot be used, which somebody may mend */
  read(name: string): string {
    if (path.basename(name) !== name || name.startsWith('.')) {
      throw new OspatchError({ type: 'Refused', message: 'the name of a file with a secret is not a bare name' });
    }
    let text: string;
    try {
      text = readTrusted(path.join(this.directory, name), {
        secret: true,
        what: `the file ${name} in the directory of secrets`,
        maxBytes: MAX_SECRET_BYTES,
      })
        .toString('utf8')
        .trim();
    } catch (error) {
      if (!(error instanceof UntrustedFile)) throw error;
      const place = `place the file ${name} in the worker's directory of secrets (OSPATCH_SECRET_DIR), readable only for its owner`;
      if (error.problem === 'missing')
        throw new DeliveryFailure(`the worker has no file ${name} with a secret`, true, place);
      throw new DeliveryFailure(error.message, true, error.remedy);
    }
    if (text === '') {
      throw new DeliveryFailure(
        `the file ${name} in the directory of secrets is empty`,
        true,
        'put the secret into it',
      );
    }
    this.values.push(text);
    return text;
  }

  readIf(name: string | undefined): string | undefined {
    return name === undefined ? undefined : this.read(name);
  }
}
