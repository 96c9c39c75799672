/**
 * The environment of credential plugins. A plugin gets the basic variables, the proxies, and what its kubeconfig lists
 * in `env`. The plugins of the large vendors, called by their bare names, get the variables of their vendor too: on a
 * worker that runs in the cloud, these name the identity of the machine.
 */
import { NETWORK_VARIABLES, programEnvironment } from '../../programs/environment';

const VENDOR_VARIABLES: Readonly<Record<string, readonly string[]>> = {
  aws: ['AWS_*'],
  'aws-iam-authenticator': ['AWS_*'],
  'gke-gcloud-auth-plugin': ['GOOGLE_*', 'CLOUDSDK_*', 'GCE_*'],
  gcloud: ['GOOGLE_*', 'CLOUDSDK_*', 'GCE_*'],
  kubelogin: ['AZURE_*', 'AAD_*'],
  az: ['AZURE_*'],
  doctl: ['DIGITALOCEAN_*'],
  oci: ['OCI_*'],
};

/** @param listed the variables that the kubeconfig and the protocol set */
export function pluginEnvironment(command: string, listed: Readonly<Record<string, string>>): Record<string, string> {
  const vendor = Object.hasOwn(VENDOR_VARIABLES, command) ? VENDOR_VARIABLES[command] : undefined;
  return programEnvironment({ pass: [...NETWORK_VARIABLES, ...(vendor ?? [])], set: listed });
}
