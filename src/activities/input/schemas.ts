/** One schema per activity. An activity of the contract without one does not compile. */
import { ALERT_INPUTS } from './alerts';
import { CLUSTER_INPUTS } from './cluster';
import { EKS_INPUTS } from './eks';
import { KUBERNETES_INPUTS } from './kubernetes';
import { NOTIFICATION_INPUTS } from './notification';
import { NODE_INPUTS } from './node';
import type { AllActivities, InputSchemas } from './types';

export const INPUT_SCHEMAS: InputSchemas<AllActivities> = {
  ...NODE_INPUTS,
  ...KUBERNETES_INPUTS,
  ...EKS_INPUTS,
  ...CLUSTER_INPUTS,
  ...ALERT_INPUTS,
  ...NOTIFICATION_INPUTS,
};
