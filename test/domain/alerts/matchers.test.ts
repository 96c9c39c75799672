import {
  entryMatchers,
  fillMatchers,
  matcherText,
  matchersProblem,
  parseMatchers,
} from '../../../src/domain/alerts/matchers';

const VALUES = { node: 'w-1.example.com', host: '10.0.0.1', kubernetesName: 'w-1', cluster: 'prod' };

describe('domain/alerts/matchers', () => {
  it.each([
    ['severity=critical', 'severity="critical"'],
    ['{ severity != "a,b" , team=~"x|y" }', 'severity!="a,b",team=~"x|y"'],
    ['msg!~"say \\"hi\\""', 'msg!~"say \\"hi\\""'],
    ['node={{node}}', 'node="{{node}}"'],
  ])('reads %s as Alertmanager does', (text, normalised) => {
    const parsed = parseMatchers(text);
    expect(parsed.ok && parsed.matchers.map(matcherText).join(',')).toBe(normalised);
  });

  it.each([
    ['severity', '=, !=, =~ or !~ is missing at the end'],
    ['="x"', 'the name of a label is missing before "=\\"x\\""'],
    ['a="b" c="d"', 'a comma is missing before "c=\\"d\\""'],
    ['a="b', 'a value, in double quotes is missing before "\\"b"'],
    ['a=~"(x"', 'the regular expression is not valid'],
    ['a=~"(?!x)"', 'the regular expression has a look-around, which Alertmanager does not know'],
  ])('says what is wrong with %s', (text, problem) => {
    expect(matchersProblem(text)).toBe(problem);
  });

  it('takes the name of a node literally in a regular expression', () => {
    const [regex] = fillMatchers('instance=~"{{ node }}(:.*)?"', VALUES);
    const [plain] = fillMatchers('node="{{node}}"', VALUES);
    expect(regex?.value).toBe(String.raw`w-1\.example\.com(:.*)?`);
    expect(plain?.value).toBe('w-1.example.com');
  });

  it('takes an entry without an operator for the name of alerts', () => {
    expect(entryMatchers('Watch.*').map(matcherText)).toEqual(['alertname=~"Watch.*"']);
    expect(entryMatchers('team="web",severity=info').map(matcherText)).toEqual(['team="web"', 'severity="info"']);
  });
});
