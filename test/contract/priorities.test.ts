import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { ACTIVITY_PRIORITIES, WORKFLOW_PRIORITIES, priorityOf } from '../../src/contract/priorities';
import { WORKFLOW_TYPES } from '../../src/contract/workflow-ids';

/** The files below this folder, without comments. */
function sourcesIn(folder: string): string[] {
  const root = path.join(__dirname, '../../src', folder);
  return readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => readFileSync(path.join(root, file), 'utf8').replaceAll(/\/\*[^]*?\*\/|\/\/.*/g, ''));
}

function all(folder: string, pattern: RegExp): string[] {
  return sourcesIn(folder).flatMap((text) => [...text.matchAll(pattern)].map(([, found = '']) => found));
}

describe('src/contract/priorities', () => {
  test('a refresh that nobody waits for never precedes a patch', () => {
    const { refreshFacts, prefetchNodes, patchNode, inspectNodes } = WORKFLOW_TYPES;
    expect(priorityOf('readFacts', patchNode, 'schedule')).toBe(1);
    expect(priorityOf('inspectNode', inspectNodes, undefined)).toBe(2);
    expect(priorityOf('apply', patchNode, 'schedule')).toBe(3);
    expect(priorityOf('preflight', patchNode, 'on-demand')).toBe(4);
    expect(priorityOf('readFacts', refreshFacts, undefined)).toBe(5);
    expect(priorityOf('prefetch', prefetchNodes, undefined)).toBe(5);
  });

  test('everything that is started has a priority', () => {
    const activities = all('workflows', /\.(\w+)\s*\.executeWithOptions\(/g);
    const children = all('workflows', /\bstartChild\(([a-zA-Z]+?)(?:Workflow)?,/g);
    const starts = all('client', /\bworkflow\s*\.(?:start|execute)\b([^;]*);/g);
    const withStart = all('client', /new WithStartWorkflowOperation\(WORKFLOW_TYPES\.(\w+)/g);
    const started = starts.map((call) => /WORKFLOW_TYPES\.(\w+)/.exec(call)?.[1] ?? call);
    // The patterns still match their targets.
    expect(activities.length).toBeGreaterThan(30);
    expect(children.length).toBeGreaterThan(4);
    expect(started.length).toBeGreaterThan(4);
    const without = [
      ...activities.filter((name) => !(name in ACTIVITY_PRIORITIES)),
      ...[...children, ...started, ...withStart].filter((name) => !(name in WORKFLOW_PRIORITIES)),
      // A client has no interceptor; a workflow without its own priority has that of a cluster.
      ...starts.filter((call) => !call.includes('priority:') && !call.includes('WORKFLOW_TYPES.cluster')),
    ];
    expect(without).toEqual([]);
  });
});
