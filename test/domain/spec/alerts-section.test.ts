import { validateSpecObject } from '../../../src/domain/spec/parse';
import { clusterSpec } from '../../support/builders';

const check = (alerts: unknown) => validateSpecObject({ ...clusterSpec(), alerts });
const problems = (alerts: unknown): string[] => {
  const checked = check(alerts);
  return checked.ok ? [] : checked.problems;
};

const alertmanager = { url: 'https://am.example.com:9093/' };
const silence = { matchers: ['instance=~"{{node}}(:.*)?"'] };

describe('domain/spec/alerts-section', () => {
  it.each([
    ['silences', { alertmanager, silence }],
    ['a gate', { alertmanager, block: 'all', holdFor: '2m' }],
    ['both', { alertmanager: { ...alertmanager, bearerTokenFile: 'token' }, silence, block: ['severity="critical"'] }],
  ])('is not changed by a second normalisation: %s', (_what, alerts) => {
    const first = check(alerts);
    expect(first.ok).toBe(true);
    if (!first.ok) return;
    expect(validateSpecObject(first.spec)).toEqual(first);
    expect(first.spec).toMatchObject({ alerts: { alertmanager: { url: ['https://am.example.com:9093'] } } });
  });

  it.each([
    [{ alertmanager }, 'alerts: found neither silence nor block'],
    [{ alertmanager, silence, holdFor: '1m' }, 'alerts.holdFor: found holdFor without block'],
    [{ alertmanager, silence: { matchers: ['a="{{nod}}"'] } }, 'found {{nod}}; allowed: {{node}}'],
    [{ alertmanager, silence: { ...silence, lease: '3h' } }, 'found "3h", longer than maxDuration'],
    [{ alertmanager: { url: 'am:9093' }, block: 'all' }, 'alerts.alertmanager.url'],
    [{ alertmanager, block: ['severity'] }, '=, !=, =~ or !~ is missing at the end'],
    [{ alertmanager, block: 'all', ignore: ['Watch(dog'] }, 'the regular expression is not valid'],
  ])('refuses %j', (alerts, problem) => {
    expect(problems(alerts).join('\n')).toContain(problem);
  });

  it('has no silences for node groups of EKS', () => {
    const eks = { apiVersion: 'ospatch/v1', name: 'demo', type: 'eks', eks: { region: 'eu-west-1', cluster: 'Prod' } };
    const checked = validateSpecObject({ ...eks, alerts: { alertmanager, silence, block: 'all' } });
    expect(checked.ok ? [] : checked.problems.join()).toContain('not for a cluster of type eks');
    expect(validateSpecObject({ ...eks, alerts: { alertmanager, block: 'all' } }).ok).toBe(true);
  });
});
