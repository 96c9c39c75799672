/** The versions at the other end of a connection. */
import type { Poller } from '../domain/inspection/workers';
import type { TemporalCalls } from './temporal-calls';

export interface ServerVersions {
  /** Of the Temporal server. */
  server: string;
  /** The workers that poll the task queue; unversioned ones do not report a version. */
  workers: readonly Poller[];
}

/** @throws OspatchError as `call` */
export async function readVersions(calls: TemporalCalls): Promise<ServerVersions> {
  const { client } = calls.session;
  const [info, { pollers }] = await Promise.all([
    calls.call(null, () => client.workflowService.getSystemInfo({})),
    calls.readQueue(),
  ]);
  return { server: info.serverVersion, workers: pollers };
}
