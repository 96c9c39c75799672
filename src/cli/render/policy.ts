/** What a policy allows of a spec: a line per request, and below it the fields. */
import type { ExplainedField, ExplainedRequest, PolicyExplanation } from '../../domain/policy/explain';
import type { colors } from '../io/output';

type Colors = ReturnType<typeof colors>;

const TITLES: Record<ExplainedRequest['kind'], string> = {
  login: 'login',
  reboot: 'reboot with rebootCommand',
  'power-cycle': 'power-cycle hook',
  kubernetes: 'Kubernetes',
  calendars: 'calendars',
  aws: 'AWS',
  alerts: 'Alertmanager',
  notifications: 'notifications',
  audit: 'audit log',
};

export function renderPolicy({ cluster, requests }: PolicyExplanation, color: Colors): string {
  const denied = requests.filter(({ allowed }) => !allowed).length;
  const total =
    requests.length === 0
      ? 'asks a worker for nothing'
      : denied === 0
        ? `all ${requests.length} requests are allowed`
        : `${denied} of ${requests.length} requests are denied`;
  return [`${color.bold(cluster)}: ${total}`, ...requests.flatMap((one) => renderRequest(one, color))].join('\n');
}

function renderRequest({ kind, node, allowed, rule, fields }: ExplainedRequest, color: Colors): string[] {
  const what = node === null ? TITLES[kind] : `${node}: ${TITLES[kind]}`;
  const verdict = allowed
    ? `${color.green('allowed')} by ${rule}`
    : `${color.red('denied')}${rule === null ? '' : `; the nearest rule is ${rule}`}`;
  return [`  ${what}: ${verdict}`, ...fields.map((field) => `    ${renderField(field, color)}`)];
}

function renderField({ path, value, allowed, within, missing }: ExplainedField, color: Colors): string {
  const found = `${path} ${value}`;
  if (missing.length > 0) return `${found}: ${color.red('denied')}, not allowed by ${missing.join(', ')}`;
  if (!allowed) return found;
  return within === null ? found : `${found}: only at addresses in ${within.join(', ')}`;
}
