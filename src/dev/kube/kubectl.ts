import { run } from '../host';

/** What `kubectl` does with a kubeconfig; it knows `drain`, `cordon` and `uncordon`. */
export function kubectlIn(program: string, kubeconfig: string) {
  return async (...args: string[]): Promise<{ code: number; output: string }> => {
    const { code, stdout, stderr } = await run(program, ['kubectl', '--kubeconfig', kubeconfig, ...args]);
    return { code, output: stdout + stderr };
  };
}
