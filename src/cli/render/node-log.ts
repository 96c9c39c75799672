/** What is said of the log of a node. */

export function describeNoLog(node: string | null): string {
  return `no log on ${node}: ospatch has not patched it yet`;
}

export function describeCutLog(node: string | null): string {
  return `the log was cut; all of it is in the run directory of ospatch on ${node}`;
}
