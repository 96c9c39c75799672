/** Everything by which a change of a lab node can be seen. */
import type { LabNode } from './local-stack';

/** Written by the login itself, and by services of the node. */
const OF_THE_LOGIN = ['/var/log/journal', '/var/log/wtmp', '/var/log/btmp', '/var/log/lastlog', '/var/log/auth.log'];

/** Every file of the node with its times, size and owner, what is left of ours in /run, and what the journal has of ours. */
export async function traces(node: LabNode): Promise<string> {
  const pruned = OF_THE_LOGIN.map((path) => `-path ${path}`).join(' -o ');
  const files = `find / -xdev \\( ${pruned} -o -path /proc -o -path /sys -o -path /run -o -path /root/.ssh \\) -prune -o -printf '%p %T@ %C@ %s %U %m\\n'`;
  const ours = `ls -A /run/ospatch* 2>&1; journalctl -q --no-pager -u 'ospatch*' 2>&1`;
  const { stdout } = await node.exec(`{ ${files}; ${ours}; dpkg-query -W | sha256sum; } | sort`);
  return stdout;
}

/** Touched by whoever reads: what readers of an sqlite database share, and the directory of a cache. */
const TOUCHED_BY_READERS =
  /^\/(?:var\/lib\/(?:rpm|dnf)\/[a-z]+\.sqlite-(?:shm|wal)|var\/cache\/dnf(?:\/expired_repos\.json)?|var\/tmp) /;

/** The same for a node with an rpm database. */
export async function tracesOnRpm(node: LabNode): Promise<string[]> {
  const lines = (await traces(node)).split('\n').filter((line) => !TOUCHED_BY_READERS.test(line));
  // dnf 4 notes on a package file, in an extended attribute, that its checksum was right.
  return lines.map((line) => line.replace(/^(\S+\.rpm \S+) \S+/, '$1'));
}
