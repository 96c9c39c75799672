/** Where the histories of an audit come from: Temporal, or files. */
import { readFileSync } from 'node:fs';
import { loadDataConverter } from '@temporalio/common/lib/internal-non-workflow';
import { historyFromJSON } from '@temporalio/common/lib/proto-utils';
import type { temporal } from '@temporalio/proto';
import { clusterWorkflowId } from '../contract/workflow-ids';
import { OspatchError } from '../domain/shared/errors';
import { plainText } from '../domain/shared/text';
import { dataConverter } from '../encryption/data-converter';
import { keyRingFromEnv } from '../encryption/key-ring';
import { readTemporalConfig } from '../temporal-config';
import type { AuditReport } from './audit';
import { auditHistories } from './audit';
import { clusterNotFound } from './errors';
import type { TemporalCalls } from './temporal-calls';

type History = temporal.api.history.v1.IHistory;

/** @throws OspatchError `NotFound` when Temporal has no history of such a cluster, `Usage` */
export async function auditOf(calls: TemporalCalls, cluster: string, signers: string): Promise<AuditReport> {
  assertReadable(signers);
  const { client, namespace, address, deadlineMs } = calls.session;
  const found: { runId: string; startTime: Date }[] = [];
  await calls.call(cluster, async () => {
    for await (const one of client.workflow.list({ query: `WorkflowId = "${clusterWorkflowId(cluster)}"` }))
      found.push(one);
  });
  if (found.length === 0) throw clusterNotFound({ address, namespace, cluster, deadlineMs });
  found.sort((one, other) => one.startTime.getTime() - other.startTime.getTime());
  const histories: History[] = [];
  for (const { runId } of found) {
    const handle = client.workflow.getHandle(clusterWorkflowId(cluster), runId);
    histories.push(await calls.call(cluster, () => handle.fetchHistory()));
  }
  const converter = client.options.loadedDataConverter;
  return auditHistories(histories, { cluster, namespace, signers, converter });
}

/** Contacts nothing. @throws OspatchError `Usage` */
export async function auditFiles(
  files: readonly string[],
  {
    cluster,
    signers,
    where,
    env,
  }: {
    cluster: string;
    signers: string;
    where: { namespace?: string; profile?: string };
    env: Readonly<Record<string, string | undefined>>;
  },
): Promise<AuditReport> {
  assertReadable(signers);
  const namespace =
    where.namespace ?? readTemporalConfig(env as NodeJS.ProcessEnv, where.profile).namespace ?? 'default';
  const converter = loadDataConverter(dataConverter(keyRingFromEnv(env as NodeJS.ProcessEnv), 'throw'));
  return auditHistories(files.map(readHistory), { cluster, namespace, signers, converter });
}

function readHistory(file: string): History {
  try {
    const content: unknown = JSON.parse(readFileSync(file, 'utf8'));
    return historyFromJSON(Array.isArray(content) ? { events: content } : content);
  } catch (cause) {
    const why = plainText(cause instanceof Error ? cause.message : String(cause), 200);
    throw new OspatchError(
      {
        type: 'Usage',
        message: `--file: ${file} holds no history: ${why}`,
        remedy: 'temporal workflow show -w cluster/NAME -o json > FILE.json writes one',
      },
      { cause },
    );
  }
}

function assertReadable(signers: string): void {
  try {
    readFileSync(signers);
  } catch (cause) {
    const remedy = 'name the file with the public keys of persons, which lies beside the policy of the worker';
    throw new OspatchError({ type: 'Usage', message: `--signers: ${signers} cannot be read`, remedy }, { cause });
  }
}
