/** Writes the dashboard to deploy/monitoring. Usage: node tools/run.js dashboard/generate */
import { writeFileSync } from 'node:fs';
import { DASHBOARD_FILE, dashboardText } from './file';

writeFileSync(DASHBOARD_FILE, dashboardText());
