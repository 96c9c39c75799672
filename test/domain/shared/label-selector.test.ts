import { matchesLabels, parseLabelSelector } from '../../../src/domain/shared/label-selector';

function matches(text: string, labels: Record<string, string>): boolean {
  const parsed = parseLabelSelector(text);
  if (!parsed.ok) throw new Error(parsed.problem);
  return matchesLabels(parsed.selector, labels);
}

describe('src/domain/shared/label-selector', () => {
  it.each([
    ['', {}, true],
    ['app=web', { app: 'web' }, true],
    ['app==web', { app: 'db' }, false],
    ['app = web , tier = front', { app: 'web', tier: 'front' }, true],
    ['app=web,tier=front', { app: 'web' }, false],
    ['app!=web', { app: 'db' }, true],
    ['app!=web', {}, true],
    ['app=', { app: '' }, true],
    ['app=', {}, false],
    ['env in (a, b)', { env: 'b' }, true],
    ['env in (a,b)', {}, false],
    ['env notin (a,b)', {}, true],
    ['env notin (a,b)', { env: 'a' }, false],
    ['env in ()', { env: '' }, true],
    ['in in (in)', { in: 'in' }, true],
    ['legacy', { legacy: '' }, true],
    ['!legacy', { legacy: '' }, false],
    ['! legacy', {}, true],
    ['gpus>2', { gpus: '3' }, true],
    ['gpus<2', { gpus: '3' }, false],
    ['gpus>2', { gpus: 'many' }, false],
    ['example.com/team_a=x.y-z', { 'example.com/team_a': 'x.y-z' }, true],
    ['constructor', {}, false],
  ])('parses "%s" of %j like kubectl: %s', (text, labels, expected) => {
    expect(matches(text, labels)).toBe(expected);
  });

  it.each([
    ['app=web tier=front', 'a comma is missing before "tier"'],
    ['=web', 'a label key is missing before "="'],
    ['app=web,', 'a label key is missing'],
    ['app in a,b', 'in parentheses'],
    ['app in (a,b', 'a closing parenthesis is missing'],
    ['app ~ web', '"~" is not an operator'],
    ['-app=web', '"-app" is not a label key'],
    ['a/b/c', '"a/b/c" is not a label key'],
    ['Example.com/app', 'is not a label key'],
    ['app=we$b', '"we$b" is not a label value'],
    [`app=${'x'.repeat(64)}`, 'is not a label value'],
    ['gpus>two', '"two" after > is not a whole number'],
  ])('reports what is wrong with "%s"', (text, problem) => {
    const parsed = parseLabelSelector(text);
    expect(parsed.ok ? 'nothing' : parsed.problem).toContain(problem);
  });
});
