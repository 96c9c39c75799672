import { runProgram } from '../../src/dev/host';

/** A drain that a budget blocks never ends by itself, not even a dry run. */
const TIMEOUT_MS = 60_000;

/** What `kubectl` does with a kubeconfig; it knows `drain`, `cordon` and `uncordon`. */
export function kubectlIn(program: string, kubeconfig: string) {
  return async (...args: string[]): Promise<{ code: number; output: string }> => {
    const { code, stdout, stderr } = await runProgram(program, ['kubectl', '--kubeconfig', kubeconfig, ...args], {
      timeoutMs: TIMEOUT_MS,
    });
    return { code, output: stdout + stderr };
  };
}
