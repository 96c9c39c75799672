import { explainField, fieldPaths } from '../../../src/domain/spec/field-docs';
import type { FieldDoc } from '../../../src/domain/spec/field-docs';
import { parseSpec } from '../../../src/domain/spec/parse';

const NODES = [{ name: 'w-1', host: '10.0.0.12' }];
const BASES: Readonly<Record<string, object>> = {
  'self-managed': { apiVersion: 'ospatch/v1', name: 'x', ssh: { user: 'root' }, nodes: NODES },
  eks: { apiVersion: 'ospatch/v1', name: 'x', type: 'eks', eks: { region: 'eu-central-1', cluster: 'x' } },
  'imported, aks, gke, managed': { apiVersion: 'ospatch/v1', name: 'x', type: 'aks' },
};

function docsOf(path: string): FieldDoc[] {
  const found = explainField(path);
  if (!Array.isArray(found)) throw new Error(`there is no ${path}`);
  return found;
}

describe('src/domain/spec/field-docs', () => {
  test('has a meaning, a value and a valid example of every field', () => {
    const paths = fieldPaths();
    expect(paths.length).toBeGreaterThan(100);
    for (const path of paths) {
      for (const { description, value, clusterTypes, example } of docsOf(path)) {
        expect([path, description.length > 10, value !== '']).toEqual([path, true, true]);
        const base = BASES[clusterTypes[0] ?? 'self-managed'] ?? {};
        const { issues } = parseSpec({ ...base, ...(example as object) });
        expect([path, example, issues.filter(({ severity }) => severity === 'error')]).toEqual([path, example, []]);
        expect(JSON.stringify(example)).not.toContain('"text"');
      }
    }
  });

  test('says what is allowed, the default and the fields below', () => {
    const [doc, ...more] = docsOf('patching.rollout.maxUnavailable');
    expect(more).toEqual([]);
    expect(doc).toMatchObject({
      clusterTypes: ['self-managed'],
      value: 'whole number from 1 to 5000, or share such as 10%',
      default: 'no such limit',
      example: { patching: { rollout: { maxUnavailable: '20%' } } },
    });
    const [ssh] = docsOf('spec.ssh');
    expect(ssh?.fields.map(({ path }) => path)).toContain('ssh.port');
    expect(ssh?.fields.find(({ path }) => path === 'ssh.port')).toMatchObject({ default: '22' });
    expect(docsOf('spec')[0]?.fields.find(({ path }) => path === 'nodes')).toMatchObject({ required: true });
  });

  test('goes through lists and alternatives', () => {
    const [host] = docsOf('nodes[0].host');
    expect([host?.path, host?.example]).toEqual(['nodes.host', { nodes: [{ name: 'w-1', host: '10.0.0.12' }] }]);
    expect(docsOf('nodes[].host')).toEqual(docsOf('nodes.host'));
    expect(docsOf('patching.schedule.cron')[0]?.example).toEqual({ patching: { schedule: { cron: '0 22 * * SAT' } } });
  });

  test('tells kinds of clusters apart where a field differs', () => {
    expect(docsOf('patching.rollout').map(({ clusterTypes }) => clusterTypes)).toEqual([['self-managed'], ['eks']]);
    expect(docsOf('name').map(({ clusterTypes }) => clusterTypes)).toEqual([[]]);
  });

  test('names the field that was meant', () => {
    expect(explainField('patching.rolout.maxUnavailable')).toMatchObject({
      parent: 'patching',
      key: 'rolout',
      suggestion: 'patching.rollout',
    });
    expect(explainField('schedule')).toMatchObject({ parent: '', key: 'schedule', suggestion: 'patching.schedule' });
    expect(explainField('nodes.hostname')).toMatchObject({ suggestion: 'nodes.host' });
    expect(explainField('parallelism')).toMatchObject({ suggestion: 'patching.rollout.concurrency' });
    expect(explainField('frobnicate')).toMatchObject({ suggestion: null });
    expect(explainField('name.first')).toMatchObject({ parent: 'name', key: 'first', allowed: [] });
  });
});
