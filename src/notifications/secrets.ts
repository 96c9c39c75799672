/** Reads what a target names in the secrets directory of the worker. Never cached: a secret that is replaced counts at once. */
import { OspatchError } from '../domain/shared/errors';
import type { SecretOptions } from '../secret-file';
import { readPublic, readSecret } from '../secret-file';
import { DeliveryFailure } from './failure';

const WHAT = 'a secret of notifications';
const CERTIFICATES = 'the certificates of a notification target';

export class Secrets {
  /** Every secret that was read, so that no message of an error contains one. */
  readonly values: string[] = [];

  /** @param secretDir null: the worker has no such directory */
  constructor(private readonly secretDir: string | null) {}

  /** @throws DeliveryFailure when the file cannot be used, which somebody may correct */
  read(name: string): string {
    const secret = this.transient(() => readSecret(name, this.options(WHAT)));
    this.values.push(secret);
    return secret;
  }

  readIf(name: string | undefined): string | undefined {
    return name === undefined ? undefined : this.read(name);
  }

  /** Certificates are no secret: everybody may read them. */
  readCertificates(name: string | undefined): string | undefined {
    return name === undefined ? undefined : this.transient(() => readPublic(name, this.options(CERTIFICATES)));
  }

  private options(what: string): SecretOptions {
    return { secretDir: this.secretDir, what, type: 'Refused' };
  }

  private transient(read: () => string): string {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof OspatchError)) throw error;
      throw new DeliveryFailure(error.message, true, error.remedy);
    }
  }
}
