/** The workflow code of this package as options of the SDK, for a worker and for a replay. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { WorkerOptions } from '@temporalio/worker';
import type { CodecOptions } from './encryption/codec';
import { dataConverter } from './encryption/data-converter';
import type { KeyRing } from './encryption/key-ring';
import { WORKFLOW_INTERCEPTORS } from './workflow-interceptors';

export type WorkflowCode = Pick<WorkerOptions, 'workflowBundle' | 'workflowsPath' | 'dataConverter' | 'interceptors'>;

/**
 * Prepended to the workflow code, see `workflows/sandbox/failure-converter.ts`. One line, so that positions do not
 * change.
 */
const ENCRYPTS_FAILURES = 'globalThis.ospatchEncryptsFailures=true;';

/** The same for `workflows/index.ts`. */
const IS_VERSIONED = 'globalThis.ospatchIsVersioned=true;';

/** Path of the bundle in a build. */
export const BUNDLE = join(__dirname, 'workflow-bundle.js');

/**
 * The bundle made at build time; during development, the sources. `isVersioned`: for a worker of a Worker Deployment;
 * with it on any other worker, the server would reject every task.
 */
export function workflowCode(
  encryption: KeyRing | null,
  isVersioned = false,
  codecOptions: CodecOptions = {},
): WorkflowCode {
  // Used for activity inputs too, where it reports unreadable payloads.
  const payloadConverterPath = require.resolve('./workflows/sandbox/payload-converter');
  const converter = { ...dataConverter(encryption, 'passthrough', codecOptions), payloadConverterPath };
  if (existsSync(BUNDLE)) {
    const said = `${encryption === null ? '' : ENCRYPTS_FAILURES}${isVersioned ? IS_VERSIONED : ''}`;
    const workflowBundle = said === '' ? { codePath: BUNDLE } : { code: `${said}${readFileSync(BUNDLE, 'utf8')}` };
    return { workflowBundle, dataConverter: converter };
  }
  return {
    workflowsPath: require.resolve('./workflows'),
    dataConverter: converter,
    // The bundle contains them.
    interceptors: {
      workflowModules: WORKFLOW_INTERCEPTORS.map((name) => require.resolve(`./workflows/sandbox/${name}`)),
    },
  };
}
