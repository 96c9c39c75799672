/** The workflow code of this package as options of the SDK, for a worker and for a replay. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { WorkerOptions } from '@temporalio/worker';
import type { CodecOptions } from './encryption/codec';
import { dataConverter } from './encryption/data-converter';
import type { KeyRing } from './encryption/key-ring';
import type { SpanSink } from './tracing/tracing';
import { traceSinks } from './tracing/tracing';
import { WORKFLOW_INTERCEPTORS } from './workflow-interceptors';

/** For activities too: it reports unreadable inputs, and remembers which were encrypted. */
const PAYLOAD_CONVERTER = { payloadConverterPath: require.resolve('./workflows/sandbox/payload-converter') };

export type WorkflowCode = Pick<
  WorkerOptions,
  'workflowBundle' | 'workflowsPath' | 'dataConverter' | 'interceptors' | 'sinks'
>;

/**
 * Prepended to the workflow code, see `workflows/sandbox/failure-converter.ts`. One line, so that positions do not
 * change.
 */
const ENCRYPTS_FAILURES = 'globalThis.ospatchEncryptsFailures=true;';

/** The same for `workflows/index.ts`. */
const IS_VERSIONED = 'globalThis.ospatchIsVersioned=true;';

/** The same for `workflows/sandbox/required-encryption.ts`. */
const REQUIRES_ENCRYPTION = 'globalThis.ospatchRequiresEncryption=true;';

/** Path of the bundle in a build. */
export const BUNDLE = join(__dirname, 'workflow-bundle.js');

export interface CodeOptions extends CodecOptions {
  /** For a worker of a Worker Deployment; with it on any other worker, the server would reject every task. */
  isVersioned?: boolean;
  /** Workflows whose start argument is not encrypted wait. */
  requiresEncryption?: boolean;
  /** Receives the spans of runs; null or absent: they are not recorded. */
  spans?: SpanSink | null;
}

/** The bundle made at build time; during development, the sources. */
export function workflowCode(
  encryption: KeyRing | null,
  { isVersioned = false, requiresEncryption = false, spans = null, ...codecOptions }: CodeOptions = {},
): WorkflowCode {
  const sinks = traceSinks(spans);
  const converter = { ...dataConverter(encryption, 'passthrough', codecOptions), ...PAYLOAD_CONVERTER };
  if (existsSync(BUNDLE)) {
    const said = [
      encryption === null ? '' : ENCRYPTS_FAILURES,
      isVersioned ? IS_VERSIONED : '',
      requiresEncryption ? REQUIRES_ENCRYPTION : '',
    ].join('');
    const workflowBundle = said === '' ? { codePath: BUNDLE } : { code: `${said}${readFileSync(BUNDLE, 'utf8')}` };
    return { workflowBundle, dataConverter: converter, sinks };
  }
  if (requiresEncryption) throw new Error('encryption can be required with built workflows only: npm run build');
  return {
    workflowsPath: require.resolve('./workflows'),
    dataConverter: converter,
    sinks,
    // The bundle contains them.
    interceptors: {
      workflowModules: WORKFLOW_INTERCEPTORS.map((name) => require.resolve(`./workflows/sandbox/${name}`)),
    },
  };
}

/** For a worker without workflows. */
export function activityCode(encryption: KeyRing | null): Pick<WorkflowCode, 'dataConverter' | 'interceptors'> {
  return { dataConverter: { ...dataConverter(encryption, 'throw'), ...PAYLOAD_CONVERTER } };
}
