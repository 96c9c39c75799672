/** The activities that call an Alertmanager. */
import type { Placeholder } from '../../domain/alerts/matchers';
import type { AlertFilter, AlertReading, AlertmanagerAccess } from '../../domain/alerts/types';

export interface ReadAlertsInput {
  cluster: string;
  alertmanager: AlertmanagerAccess;
  filter: AlertFilter;
  /** The activity answers when something else is the case. Absent: at once. */
  known?: AlertReading;
}

/** The silences of one node patch. */
export interface NodeSilences {
  alertmanager: AlertmanagerAccess;
  /** With placeholders. */
  matchers: string[];
  /** What the placeholders stand for. */
  values: Record<Placeholder, string>;
  /** Of the node patch; part of the marks by which its silences are found again. */
  workflowRunId: string;
  run: number;
}

export interface SilenceNodeInput {
  silences: NodeSilences;
  leaseMs: number;
  /** Renews the silences until then (ISO 8601). Absent: makes them, and answers. */
  keepUntil?: string;
}

export interface EndSilenceInput {
  silences: NodeSilences;
  /** How much longer the silences last, in milliseconds. */
  tailMs: number;
}

export interface AlertActivities {
  /** Which alerts hold the next node. An Alertmanager that does not answer is an answer too. */
  readAlerts(input: ReadAlertsInput): Promise<AlertReading>;
  /** Makes the silences of a node, or renews those that are there. */
  silenceNode(input: SilenceNodeInput): Promise<void>;
  endSilence(input: EndSilenceInput): Promise<void>;
}
