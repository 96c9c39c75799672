/** The lab for people: boots nodes and keeps them until Ctrl-C. Usage: node tools/run.js lab/cli up [NUMBER] */
import path from 'node:path';

import { createLab, LAB_USER } from './lab';

const MAX_LAB_NODES = 16;

async function main(args: string[]): Promise<void> {
  const count = Number(args[1] ?? 3);
  if (args[0] !== 'up' || !Number.isInteger(count) || count < 1 || count > MAX_LAB_NODES) {
    console.error(`usage: npm run lab -- up [NUMBER]    NUMBER of nodes: 1 to ${MAX_LAB_NODES}, default 3`);
    process.exitCode = 2;
    return;
  }
  const nodes = Array.from({ length: count }, (_, index) => ({
    name: `node-${index + 1}`,
    updates: 'all' as const,
    labReboot: true,
    oldBaseFiles: true,
  }));
  const lab = await createLab({ nodes, log: (line) => console.log(line) });
  console.log(`\nexport OSPATCH_KEY_DIR=${lab.keyDir}    # identity "${lab.keyName}", users ${LAB_USER} and root`);
  for (const node of lab.nodes) {
    const key = path.join(lab.keyDir, lab.keyName);
    console.log(
      `${node.name}: ssh -i ${key} -p ${node.port} -o UserKnownHostsFile=${lab.dir}/known_hosts ${LAB_USER}@${node.host}`,
    );
  }
  console.log('\nCtrl-C ends and removes all of it.');
  const keepAlive = setInterval(() => undefined, 60_000);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      clearInterval(keepAlive);
      void lab.stop();
    });
  }
}

main(process.argv.slice(2)).catch((error: unknown) => {
  console.error(`error: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
});
