/** Prometheus and promtool of Debian, for tests only. */
import path from 'node:path';
import type { Log } from '../src/dev/host';
import { unpackedPackage } from './apt';

export interface Monitoring {
  prometheus: string;
  promtool: string;
}

/** The programs of the cache, else those of Debian's package `prometheus`. Throws one sentence where there is no apt-get. */
export async function findMonitoring(log: Log): Promise<Monitoring> {
  const files = await unpackedPackage(log, 'prometheus');
  const program = (name: string): string => path.join(files, 'usr/bin', name);
  return { prometheus: program('prometheus'), promtool: program('promtool') };
}
