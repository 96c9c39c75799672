/** The scripts in the shells themselves; zsh and fish where they are installed. */
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { Command, Option } from 'commander';
import { bashCompletion } from '../../../src/cli/completion/bash';
import { fishCompletion } from '../../../src/cli/completion/fish';
import { completionModel } from '../../../src/cli/completion/model';
import { zshCompletion } from '../../../src/cli/completion/zsh';
import { which } from '../../../src/dev/host';
import { runOffline } from '../offline-context';

const CASES: readonly [line: string, words: string[]][] = [
  ['ospatch sta', ['status']],
  ['ospatch --address host:7233 valid', ['validate']],
  ['ospatch helper ', ['print', 'install']],
  ['ospatch apply --dry', ['--dry-run']],
  ['ospatch apply --addr', ['--address']],
  ['ospatch sudoers --for ', ['sudo', 'sudo-rs', 'doas']],
  ['ospatch --timeout 3s sudoers --user x --for d', ['doas']],
  ['ospatch apply -f pro', ['prod-eu.yaml']],
  ['ospatch completion ', ['bash', 'zsh', 'fish']],
];

describe('src/cli/completion', () => {
  let cwd: string;
  beforeEach(() => {
    cwd = mkdtempSync(path.join(tmpdir(), 'ospatch-completion-'));
    writeFileSync(path.join(cwd, 'prod-eu.yaml'), '');
  });
  afterEach(() => rmSync(cwd, { recursive: true }));

  async function scriptOf(shell: string): Promise<string> {
    const { stdout, code } = await runOffline(['completion', shell]);
    expect(code).toBe(0);
    return stdout;
  }

  function run(shell: string, args: string[]): string {
    const { stdout, stderr } = spawnSync(shell, args, { cwd, encoding: 'utf8', timeout: 15_000 });
    expect(stderr).toBe('');
    return stdout;
  }

  /** The words that bash offers for a line. */
  function inBash(script: string, line: string): string[] {
    const words = line.split(' ').map((word) => `'${word}'`);
    const call = `COMP_WORDS=(${words.join(' ')}); COMP_CWORD=${words.length - 1}; _ospatch; printf '%s\\n' "\${COMPREPLY[@]}"`;
    return run('bash', ['--norc', '-c', `${script}\n${call}`])
      .trim()
      .split('\n');
  }

  test('completes commands, options, their values and files in bash', async () => {
    const script = await scriptOf('bash');
    for (const [line, words] of CASES)
      expect([line, inBash(script, line)]).toEqual([line, expect.arrayContaining(words)]);
    expect(inBash(script, 'ospatch apply --output = js')).toEqual(['json', 'jsonpath=']);
    expect(inBash(script, 'ospatch status prod-eu ')).toEqual(['']);
  });

  const fish = which('fish') === undefined ? test.skip : test;
  fish('completes the same in fish', async () => {
    const lines = CASES.map(([line]) => `echo '# ${line}'; complete -C '${line}'`);
    const offered = run('fish', ['--no-config', '-c', `${await scriptOf('fish')}\n${lines.join('\n')}`]);
    for (const [line, words] of CASES) {
      const [, part = ''] = offered.split(`# ${line}\n`);
      const found = (part.split('\n#', 1)[0] ?? '').split('\n').map((one) => one.split('\t', 1)[0] ?? '');
      expect([line, found]).toEqual([line, expect.arrayContaining(words)]);
    }
  });

  const zsh = which('zsh') === undefined ? test.skip : test;
  zsh('completes the same in zsh', async () => {
    const script = path.join(cwd, 'ospatch.zsh');
    writeFileSync(script, await scriptOf('zsh'));
    // A completion of zsh runs in its line editor only, which needs a terminal.
    const typed = CASES.map(
      ([line]) => `zpty -w -n z ${JSON.stringify(line)}$'\\t\\t'; sleep 0.3; zpty -w -n z $'\\x15'`,
    );
    const program = `
      zmodload zsh/zpty
      zpty z zsh -f -i
      zpty -w z "PROMPT='> '; autoload -U compinit; compinit -u -D; source ${script}; unset zle_bracketed_paste; LISTMAX=1000; echo RE''ADY"
      while zpty -r z line; do [[ $line == *READY* ]] && break; done
      ${typed.join('\n')}
      zpty -w -n z $'exit\\n'
      while zpty -r z line; do print -rn -- "$line"; done`;
    const shown = stripVTControlCharacters(run('zsh', ['-f', '-c', program]));
    for (const [, words] of CASES) for (const word of words) expect(shown).toContain(word);
    expect(shown).not.toMatch(/_arguments:|command not found|no matches/);
  });

  test('completes nodes of the cluster that is typed, in bash, and nothing where nobody answers', async () => {
    const script = await scriptOf('bash');
    const program = path.join(cwd, 'ospatch');
    const answer = (body: string): string => {
      writeFileSync(program, `#!/bin/sh\n${body}\n`);
      chmodSync(program, 0o755);
      return `PATH=${cwd}:$PATH\n${script}`;
    };
    const there = answer('case "$*" in *prod-eu) echo w-1 w-2 cp-1 ;; list*) echo prod-eu ;; esac');
    expect(inBash(there, 'ospatch status ')).toEqual(['prod-eu']);
    expect(inBash(there, 'ospatch logs prod-eu w')).toEqual(['w-1', 'w-2']);
    expect(inBash(there, 'ospatch lock --reason x prod-eu ')).toEqual(['w-1', 'w-2', 'cp-1']);
    expect(inBash(there, 'ospatch patch prod-eu --nodes w-1,c')).toEqual(['w-1,cp-1']);
    expect(inBash(there, 'ospatch logs $(reboot) ')).toEqual(['']);
    const failing = answer('echo "error: no server" >&2; exit 1');
    expect(inBash(failing, 'ospatch logs prod-eu ')).toEqual(['']);
  });

  test('reads names of clusters only where a command lists them', () => {
    const program = (formats: string[]): Command => {
      const root = new Command('ospatch');
      root.command('list').addOption(new Option('-o, --output <format>', 'format').choices(formats));
      root.command('status').argument('<name>', 'name of the cluster');
      return root;
    };
    for (const script of [bashCompletion, zshCompletion, fishCompletion]) {
      expect(script(completionModel(program(['text', 'name'])))).toContain('ospatch list -o name');
      expect(script(completionModel(program(['text'])))).not.toContain('ospatch list');
    }
  });

  test('refuses another shell', async () => {
    const { code, stderr } = await runOffline(['completion', 'csh']);
    expect([code, stderr]).toEqual([2, expect.stringContaining('shell: found "csh"; allowed: bash, zsh, fish.')]);
  });
});
