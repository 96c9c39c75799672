/** A short-lived workflow that says which alerts would hold a run, as the run would see them. Changes nothing. */
import type { AlertGatePolicy, AlertReading } from '../../domain/alerts/types';
import { unknownReading } from '../../domain/alerts/gate';
import { defined } from '../../domain/shared/defined';
import { alerts } from '../shared/activity-options';
import { toErrorInfo } from '../shared/failures';
import { failOnBadInput } from '../shared/short-lived';

export interface InspectAlertsInput {
  cluster: string;
  gate: AlertGatePolicy;
  /** Of the workers that call the Alertmanager. Absent: that of the workflows. */
  taskQueue?: string;
}

export async function inspectAlerts(input: InspectAlertsInput): Promise<AlertReading> {
  return failOnBadInput(async () => {
    const { cluster, gate, taskQueue } = input;
    const { alertmanager, filter } = gate;
    const options = { summary: 'which alerts fire', ...defined({ taskQueue }) };
    try {
      return await alerts.readAlerts.executeWithOptions(options, [{ cluster, alertmanager, filter }]);
    } catch (failure) {
      return unknownReading(toErrorInfo(failure, 'reading the alerts').message);
    }
  });
}
