/** A node with real apt and dpkg, for several suites. */
import type { Lab } from '../../../tools/lab/lab';
import { createLab } from '../../../tools/lab/lab';
import type { LabNode } from '../../../tools/lab/lab-node';
import { createTransportPool } from '../../../src/ssh/pool';
import type { TransportPool } from '../../../src/ssh/transport';
import { LAB_START_MS, activityRunner } from '../support';
import { prepareStates } from './dpkg-states';
import type { PatchRunner } from './patch-runner';
import { patchRunner } from './patch-runner';

interface AptNode {
  node: LabNode;
  patch: PatchRunner;
}

/** Starts the node before the tests of the enclosing `describe`, and stops the node after them. `take` receives the node. */
export function useAptNode(name: string, take: (made: AptNode) => void): void {
  let lab: Lab | undefined;
  let pool: TransportPool | undefined;

  beforeAll(async () => {
    lab = await createLab({ nodes: [{ name, updates: 'none' }] });
    const node = lab.node(name);
    prepareStates(node);
    pool = createTransportPool({ keyDir: lab.keyDir });
    take({ node, patch: patchRunner(activityRunner(pool), node) });
  }, LAB_START_MS);

  afterAll(async () => {
    pool?.close();
    await lab?.stop();
  });
}
