/** A node with real apt and dpkg, for several suites. */
import type { LabNode } from '../../../tools/lab/lab-node';
import { useLab } from '../support';
import { prepareStates } from './dpkg-states';
import type { PatchRunner } from './patch-runner';
import { patchRunner } from './patch-runner';

interface AptNode {
  node: LabNode;
  patch: PatchRunner;
}

/** Starts the node before the tests of the enclosing `describe`, and stops the node after them. `take` receives the node. */
export function useAptNode(name: string, take: (made: AptNode) => void): void {
  useLab([{ name, updates: 'none' }], ({ node, activities }) => {
    prepareStates(node);
    take({ node, patch: patchRunner(activities, node) });
  });
}
