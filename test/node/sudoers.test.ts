import { readFileSync } from 'node:fs';
import path from 'node:path';
import { helperScript } from '../../src/node/helper/script';
import { installerScript } from '../../src/node/installer';
import { PHASES } from '../../src/node/job/id';
import { sudoersRule } from '../../src/node/sudoers';

const helper = helperScript();

describe('src/node/sudoers', () => {
  it.each(['regex', 'wildcard'] as const)('allows every public verb of the helper and no other: %s', (form) => {
    const main = readFileSync(path.join(__dirname, '../../src/node/helper/main.sh'), 'utf8');
    const dispatch = main.slice(main.lastIndexOf('case $verb in'));
    const verbs = [...dispatch.matchAll(/^ {2}([a-z]+)\)/gm)].map((match) => match[1]);
    const { text } = sudoersRule(helper, 'ospatch', form);
    const allowed = [...text.matchAll(/^ {2}sha256:[0-9a-f]{64} \S+ \^?([a-z]+)/gm)].map((match) => match[1]);
    expect([...new Set(allowed)].toSorted()).toEqual(verbs.toSorted());
  });

  it('allows no verb and no phase that nothing calls', () => {
    const source = (file: string) => readFileSync(path.join(__dirname, '../../src', file), 'utf8');
    const { text } = sudoersRule(helper, 'ospatch', 'wildcard');
    const words = [...text.matchAll(/ospatch-node-\S+ (probe start|[a-z]+)/g)].map(([, word = '']) => word);
    const calls = source('node/remote-node.ts');
    expect(words.filter((word) => !new RegExp(`[\`']${word}[ \`']`).test(calls))).toEqual([]);
    const jobs = ['prefetch', 'preflight', 'transaction', 'restart']
      .map((file) => source(`node/${file}.ts`))
      .join('\n');
    expect(PHASES.filter((phase) => !jobs.includes(`'${phase}'`))).toEqual([]);
  });

  it('binds every command to the digest, with names that differ per version', () => {
    const { text, file } = sudoersRule(helper, 'patcher', 'regex');
    const commands = text.split('\n').filter((line) => line.startsWith('  '));
    expect(commands.every((line) => line.startsWith(`  sha256:${helper.digest} ${helper.path} `))).toBe(true);
    expect(text).toContain(
      `patcher ALL=(root) NOPASSWD: NOSETENV: OSPATCH_${helper.digest.slice(0, 12).toUpperCase()}\n`,
    );
    expect(file).toBe(`/etc/sudoers.d/ospatch-${helper.digest.slice(0, 12)}`);
  });

  it.each([
    ['patcher', 'patcher', 'patcher'],
    ['CORP', '"CORP"', '"CORP"'],
    ['svc@corp.example.com', '"svc@corp.example.com"', '"svc@corp.example.com"'],
    ['CORP\\svc', '"CORP\\svc"', '"CORP\\\\svc"'],
  ])('names the user %s unambiguously', (user, inSudoers, inDoas) => {
    const { text } = sudoersRule(helper, user, 'regex');
    expect(text).toContain(`\nDefaults:${inSudoers} !requiretty\n${inSudoers} ALL=(root) NOPASSWD`);
    expect(sudoersRule(helper, user, 'doas').text).toContain(`\npermit nopass ${inDoas} as root cmd `);
  });

  it('has regular expressions that match a whole call and nothing around it', () => {
    const { text } = sudoersRule(helper, 'ospatch', 'regex');
    const patterns = [...text.matchAll(/ (\^.*\$)/g)].map((match) => new RegExp(match[1] ?? ''));
    const isAllowed = (call: string): boolean => patterns.some((pattern) => pattern.test(call));
    for (const call of [
      'start 0123456789abcdef-apply-1 apply',
      'poll 0123456789abcdef-plan-99 0 65536 2',
      'log last 10',
      'reboot 01234567-89ab',
      'reboot 01234567-89ab power.sh',
    ])
      expect(isAllowed(call)).toBe(true);
    for (const call of [
      'start 0123456789abcdef-apply-1 apply x',
      'poll ../x-plan-1 0 1 1',
      'log /etc 1',
      'reboot x',
      '_run x',
    ])
      expect(isAllowed(call)).toBe(false);
  });

  it('uses no regular expression syntax on which musl and glibc differ', () => {
    const { text } = sudoersRule(helper, 'ospatch', 'regex');
    const patterns = [...text.matchAll(/ (\^.*\$)/g)].map((match) => match[1] ?? '');
    expect(patterns.length).toBe(4);
    for (const pattern of patterns) expect(pattern).not.toMatch(/\\|\{[0-9]*,/);
  });

  it('is a line that both the old and the new parser of sudo-rs accept', () => {
    const lines = (user: string) => sudoersRule(helper, user, 'sudo-rs').text.trim().split('\n');
    expect(lines('op').filter((line) => !line.startsWith('#'))).toEqual([`op ALL=(root) NOPASSWD: ${helper.path}`]);
    expect(lines('CORP').at(-1)).toBe(`"CORP" ALL=(root) NOPASSWD: ${helper.path}`);
    // Only for names that sudo-rs 0.2.5 does not match.
    const isWarned = (user: string): boolean => lines(user).some((line) => line.includes('id -u'));
    expect(['op', 'jane.doe', 'CORP\\jane', 'jane@corp', 'host$'].filter(isWarned)).toEqual(['jane@corp', 'host$']);
  });

  it('is a line for doas without sudo', () => {
    const { text, file, mode } = sudoersRule(helper, 'op', 'doas');
    expect(text.split('\n').filter((line) => !line.startsWith('#'))).toEqual([
      `permit nopass op as root cmd ${helper.path}`,
      '',
    ]);
    expect({ file, mode }).toEqual({ file: `/etc/doas.d/ospatch-${helper.digest.slice(0, 12)}.conf`, mode: '0400' });
  });

  it('has an installer with the complete helper', () => {
    expect(installerScript(helper)).toContain(`\n${helper.content.toString()}OSPATCH_HELPER_END\n`);
    expect(helper.content.toString()).not.toContain('OSPATCH_HELPER_END');
  });
});
