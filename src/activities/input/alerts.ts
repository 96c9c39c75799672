/** The inputs of the activities that call an Alertmanager. */
import { z } from 'zod';
import type {
  AlertActivities,
  EndSilenceInput,
  NodeSilences,
  ReadAlertsInput,
  SilenceNodeInput,
} from '../../contract/activities/alerts';
import type { Placeholder } from '../../domain/alerts/matchers';
import type { AlertFilter, AlertReading, AlertmanagerAccess } from '../../domain/alerts/types';
import { MAX_ALERTMANAGER_URLS, MAX_ALERT_NAMES, MAX_MATCHER_SETS } from '../../domain/alerts/types';
import { alertmanagerFields, alertmanagerUrl, ignoreEntry, matcherSet } from '../../domain/spec/alerts-section';
import * as spec from '../../domain/spec/fields';
import * as field from './fields';
import { list, object } from './object';
import type { InputSchemas } from './types';

const MAX_NAME_CHARS = 200;
const MAX_WHY_CHARS = 2_000;

const { bearerTokenFile, basicAuth, caFile } = alertmanagerFields;
const alertmanager = object<AlertmanagerAccess>({
  url: list(alertmanagerUrl, MAX_ALERTMANAGER_URLS),
  bearerTokenFile,
  basicAuth,
  caFile,
});

const filter = object<AlertFilter>({
  block: z.union([z.literal('all'), list(matcherSet, MAX_MATCHER_SETS)], { error: 'all, or a list of matchers' }),
  ignore: list(ignoreEntry, MAX_MATCHER_SETS),
  watchdog: ignoreEntry.optional(),
  startupGraceMs: field.timeoutMs,
});

const known = object<AlertReading>({
  result: spec.choice(['pass', 'fail', 'unknown']),
  names: list(field.singleLine(MAX_NAME_CHARS), MAX_ALERT_NAMES),
  total: field.count,
  why: field.singleLine(MAX_WHY_CHARS).optional(),
});

const silences = object<NodeSilences>({
  alertmanager,
  matchers: list(matcherSet, MAX_MATCHER_SETS),
  values: object<Record<Placeholder, string>>({
    node: spec.nodeName,
    host: spec.host,
    kubernetesName: spec.nodeName,
    cluster: spec.clusterName,
  }),
  workflowRunId: field.workflowRunId,
  run: field.runNumber,
});

export const ALERT_INPUTS: InputSchemas<AlertActivities> = {
  readAlerts: object<ReadAlertsInput>({ cluster: spec.clusterName, alertmanager, filter, known: known.optional() }),
  silenceNode: object<SilenceNodeInput>({
    silences,
    leaseMs: field.timeoutMs,
    keepUntil: field.instant.optional(),
  }),
  endSilence: object<EndSilenceInput>({ silences, tailMs: field.timeoutMs }),
};
