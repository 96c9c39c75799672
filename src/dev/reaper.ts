import { spawn } from 'node:child_process';

// The pipe on standard input closes when the owner is gone, however it went. The mark keeps a process safe that has
// got the same id since.
const SCRIPT = `trap '' INT HUP TERM
cat >/dev/null
case $(ps -o args= -p "$1") in *"$2"*) kill -KILL "$1" ;; esac`;

/**
 * Makes the process `pid`, whose command line contains `mark`, end when this process does. The answer calls it off; to
 * be used when the process has ended.
 */
export function endWithThisProcess(pid: number, mark: string): () => void {
  const reaper = spawn('sh', ['-c', SCRIPT, 'sh', String(pid), mark], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  reaper.unref();
  return () => reaper.kill('SIGKILL');
}
