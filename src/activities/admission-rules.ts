/** What the owner of a worker requires of those who ask for something. */
import { rulesFor } from '../domain/policy/decide';
import type { PolicyFile } from '../policy/policy-file';

/** What the worker requires. Read for each message, so a change counts at once. */
export interface AdmissionRules {
  /** Only messages that were encrypted for their cluster are taken. */
  encryptionRequired: boolean;
  /** What the policy says about a cluster; null: there is no policy. @throws when it cannot be read */
  policyFor(cluster: string): AdmissionPolicy | null;
}

export interface AdmissionPolicy {
  /** Path of the list of signers; null: there is none. */
  signers: string | null;
  /** Verbs that need a verified person. */
  verified: readonly string[];
}

export const NO_RULES: AdmissionRules = { encryptionRequired: false, policyFor: () => null };

/** Of several rules for a cluster, each may require a verified person. */
export function admissionRules(file: PolicyFile, encryptionRequired: boolean): AdmissionRules {
  return {
    encryptionRequired,
    policyFor: (cluster) => {
      const loaded = file.load();
      if (loaded === null) return null;
      const verified = rulesFor(loaded.policy, cluster).flatMap((rule) => rule.verified ?? []);
      return { signers: loaded.signers?.file ?? null, verified };
    },
  };
}
