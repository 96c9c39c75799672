/** What a node patch is started with. */
import type { IneffectiveReboot } from '../../domain/node/reboot';
import type { NodePatchPolicy, RunTrigger } from '../../domain/run/run';
import type { RunWindow } from '../../domain/run/window-end';
import type { NodeSpec } from '../../domain/spec/types';

export interface PatchNodeInput {
  cluster: string;
  run: number;
  trigger: RunTrigger;
  node: NodeSpec;
  policy: NodePatchPolicy;
  /** What the last reboot of the node did not remedy. Absent: nothing. */
  ineffectiveReboot?: IneffectiveReboot;
  /** The window in which the change has to begin. Absent: the patch has no end. */
  window?: RunWindow;
  /** Names of the search attributes that may be written. Absent: none. */
  searchAttributes?: string[];
}
