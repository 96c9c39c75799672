/** What must be the same in the chart and elsewhere; test/packages/chart.packages.test.ts renders it with Helm. */
import Ajv from 'ajv';
import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { parse } from 'yaml';

const ROOT = path.join(__dirname, '../..');
const CHART = path.join(ROOT, 'deploy/helm/ospatch');

function text(...names: string[]): string {
  return readFileSync(path.join(...names), 'utf8');
}

const schema = JSON.parse(text(CHART, 'values.schema.json')) as object;
const values = parse(text(CHART, 'values.yaml')) as Record<string, unknown>;

function errorsOf(document: unknown): unknown {
  const validate = new Ajv({ allErrors: true, strict: false }).compile(schema);
  return validate(document) ? null : validate.errors;
}

/** Of a document of rules, without indents and comments. */
function linesOf(yaml: string): string[] {
  return yaml
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'));
}

describe('deploy/helm/ospatch', () => {
  it('has the version of the package', () => {
    const { version } = JSON.parse(text(ROOT, 'package.json')) as { version: string };
    expect(parse(text(CHART, 'Chart.yaml'))).toMatchObject({ version, appVersion: version });
  });

  it('has values that its schema allows, and a schema that knows no others', () => {
    expect(errorsOf(values)).toBeNull();
    const { properties } = schema as { properties: Record<string, unknown> };
    expect(Object.keys(values).toSorted()).toEqual(
      Object.keys(properties)
        .filter((key) => key !== 'global')
        .toSorted(),
    );
    for (const name of readdirSync(path.join(CHART, 'ci'))) expect(errorsOf(parse(text(CHART, 'ci', name)))).toBeNull();
    expect(errorsOf({ ...values, worker: {} })).not.toBeNull();
  });

  it('has the rules of deploy/monitoring: copy them when they change', () => {
    const rules = text(ROOT, 'deploy/monitoring/ospatch.rules.yml');
    expect(text(CHART, 'files/ospatch.rules.yml')).toBe(rules);
  });

  it('gives the rights of deploy/', () => {
    const template = linesOf(text(CHART, 'templates/rbac.yaml')).join('\n');
    const manifest = text(ROOT, 'deploy/kubernetes-rbac.yaml');
    const [, rules = ''] = /^rules:\n(.*?)^---/ms.exec(manifest.slice(manifest.indexOf('kind: ClusterRole'))) ?? [];
    expect(linesOf(rules).length).toBeGreaterThan(20);
    expect(template).toContain(linesOf(rules).join('\n'));
    const policy = text(ROOT, 'deploy/kubernetes-node-policy.yaml');
    const [, validations = ''] = /^ {2}variables:\n(.*?)^---/ms.exec(policy) ?? [];
    expect(linesOf(validations).length).toBeGreaterThan(15);
    expect(template).toContain(linesOf(validations).join('\n'));
  });
});
