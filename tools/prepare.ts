/**
 * Prepares the parts of the local stack concurrently. Usage: node tools/run.js prepare [temporal] [test-server] [lab]
 * [kubernetes] [python] [go-client] [monitoring] [collector] [helm] [image]
 */
import type { Log } from '../src/dev/host';
import { findCollector } from './collector';
import { findGoClient } from './go-client';
import { findHelm } from './helm';
import { ensureImageTools } from './image-tools';
import { findControlPlaneProgram } from './kube/program';
import { prepareLabImages } from './lab/lab';
import { findTemporal } from '../src/dev/temporal-binary';
import { findMonitoring } from './monitoring';
import { findPythonSdk } from './python-sdk';
import { findTestServer } from './test-server';

/** The kinds of nodes used by the tests. */
const TEST_NODES = [
  { updates: 'few', labReboot: true, oldBaseFiles: true },
  { updates: 'few', labReboot: true },
  { updates: 'none', labReboot: true },
  { system: 'alpine' },
  { suite: 'trixie', updates: 'few', labReboot: true },
] as const;

const PARTS: Record<string, (log: Log) => Promise<unknown>> = {
  temporal: findTemporal,
  'test-server': findTestServer,
  kubernetes: findControlPlaneProgram,
  python: findPythonSdk,
  'go-client': findGoClient,
  monitoring: findMonitoring,
  collector: findCollector,
  helm: findHelm,
  image: ensureImageTools,
  lab: (log) => prepareLabImages([...TEST_NODES], log),
};

async function main(names: string[]): Promise<void> {
  const log: Log = (line) => console.log(line);
  const results = await Promise.allSettled(names.map(async (name) => PARTS[name]?.(log)));
  for (const result of results) {
    if (result.status === 'fulfilled') continue;
    console.error(`error: ${result.reason instanceof Error ? result.reason.message : String(result.reason)}`);
    process.exitCode = 1;
  }
}

void main(process.argv.slice(2));
