import { checkRule, toolFrom } from '../../src/node/rule-tool';
import type { Transport } from '../../src/ssh/transport';

describe('src/node/rule-tool', () => {
  it.each([
    ['Sudo version 1.9.13p3', { form: 'regex', name: 'sudo 1.9.13p3' }],
    ['Sudo version 1.9.10', { form: 'regex', name: 'sudo 1.9.10' }],
    ['Sudo version 2.0.0b1', { form: 'regex', name: 'sudo 2.0.0b1' }],
    ['Sudo version 1.9.5p2', { form: 'wildcard', name: 'sudo 1.9.5p2' }],
    ['Sudo version 1.8.31', { form: 'wildcard', name: 'sudo 1.8.31' }],
    ['sudo-rs 0.2.5', { form: 'sudo-rs', name: 'sudo-rs 0.2.5' }],
    ['doas', { form: 'doas', name: 'doas' }],
    ['none', null],
    ['please 0.5', null],
  ])('knows the rule for %s', (said, tool) => {
    expect(toolFrom(said)).toEqual(tool);
  });

  it('tells whether a rule is accepted, and why not', async () => {
    const says = (text: string): Transport => ({
      exec: async () => ({
        code: 0,
        signal: null,
        stdout: Buffer.from(text),
        stderr: Buffer.alloc(0),
        truncated: false,
      }),
      close: () => undefined,
    });
    expect(await checkRule(says('stdin: parsed OK\nospatch-tool:ok\n'), 'regex', '')).toBe('accepted');
    expect(await checkRule(says('ospatch-tool:unchecked\n'), 'regex', '')).toBe('unchecked');
    expect(await checkRule(says('stdin:1:41: syntax error\n'), 'regex', '')).toEqual({
      error: 'stdin:1:41: syntax error',
    });
  });
});
