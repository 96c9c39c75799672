/** The workflow code of this package as the SDK takes it: for a worker, and for a replay. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { WorkerOptions } from '@temporalio/worker';
import { dataConverter } from './encryption/data-converter';
import type { KeyRing } from './encryption/key-ring';
import { WORKFLOW_INTERCEPTORS } from './workflow-interceptors';

export type WorkflowCode = Pick<WorkerOptions, 'workflowBundle' | 'workflowsPath' | 'dataConverter' | 'interceptors'>;

/** Said to the workflows in front of their code, see `workflows/sandbox/failure-converter.ts`. One line: positions stay. */
const ENCRYPTS_FAILURES = 'globalThis.ospatchEncryptsFailures=true;';

/** The same for `workflows/index.ts`. */
const IS_VERSIONED = 'globalThis.ospatchIsVersioned=true;';

/** Where the build puts the bundle. */
export const BUNDLE = join(__dirname, 'workflow-bundle.js');

/**
 * The bundle made at build time; while developing, the sources. `isVersioned`: for a worker that is a version of a Worker
 * Deployment; all others must not hear of versions, or the server refuses every task.
 */
export function workflowCode(encryption: KeyRing | null, isVersioned = false): WorkflowCode {
  // Also for the inputs of activities, where it says in a sentence what cannot be read.
  const payloadConverterPath = require.resolve('./workflows/sandbox/payload-converter');
  const converter = { ...dataConverter(encryption, 'passthrough'), payloadConverterPath };
  if (existsSync(BUNDLE)) {
    const said = `${encryption === null ? '' : ENCRYPTS_FAILURES}${isVersioned ? IS_VERSIONED : ''}`;
    const workflowBundle = said === '' ? { codePath: BUNDLE } : { code: `${said}${readFileSync(BUNDLE, 'utf8')}` };
    return { workflowBundle, dataConverter: converter };
  }
  return {
    workflowsPath: require.resolve('./workflows'),
    dataConverter: converter,
    // A bundle has them in it.
    interceptors: {
      workflowModules: WORKFLOW_INTERCEPTORS.map((name) => require.resolve(`./workflows/sandbox/${name}`)),
    },
  };
}
