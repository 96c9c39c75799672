import { spawn } from 'node:child_process';

// The pipe on standard input closes when the owner has ended for any reason. The marker protects an unrelated process
// that reuses the process id.
const SCRIPT = `trap '' INT HUP TERM
cat >/dev/null
case $(ps -o args= -p "$1") in *"$2"*) kill -KILL "$1" ;; esac`;

/**
 * Kills the process `pid`, whose command line contains `mark`, when this process ends. Call the returned function once
 * the process has ended.
 */
export function endWithThisProcess(pid: number, mark: string): () => void {
  const reaper = spawn('sh', ['-c', SCRIPT, 'sh', String(pid), mark], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  reaper.unref();
  return () => reaper.kill('SIGKILL');
}
