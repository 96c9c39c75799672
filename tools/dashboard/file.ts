/** The generated file. */
import path from 'node:path';
import { dashboard } from './dashboard';

export const DASHBOARD_FILE = path.join(__dirname, '../../deploy/monitoring/ospatch-dashboard.json');

/** The content of the file. */
export function dashboardText(): string {
  return `${JSON.stringify(dashboard(), null, 2)}\n`;
}
