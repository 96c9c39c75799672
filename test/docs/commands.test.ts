/** Commands in the documents: those of ospatch are parsed by the program with their options, of the others what they name exists. */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import type { Command } from 'commander';
import { buildProgram } from '../../src/cli/program';
import { fakeTerminal } from '../cli/support';
import { runOffline } from '../cli/offline-context';
import { fencedBlocks } from '../support/markdown';
import { shellCommands } from '../support/shell-commands';

const ROOT = path.join(__dirname, '../..');
const { commandPage } = jest.requireActual<{ commandPage(program: Command): string }>(
  '../../scripts/generate-command-reference.js',
);

const DOCUMENTS = [
  ...['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', 'SECURITY.md', 'CHANGELOG.md'],
  ...readdirSync(path.join(ROOT, 'docs'), { recursive: true, encoding: 'utf8' }).flatMap((name) =>
    name.endsWith('.md') ? [`docs/${name}`] : [],
  ),
];

/** Not run: they change the machine of the reader, or need what a test has not. Those of docs/messages.md are run by their own test. */
const NOT_RUN: Readonly<Record<string, string>> = {
  temporal:
    'run by test/workflows/clients.test.ts as far as docs/messages.md has them; the others need a server with versions',
  kubectl: 'needs a cluster; test/kubernetes runs the same rights',
  yq: 'a program of the reader; test/workflows/clients.test.ts has a stand-in',
  git: 'publishes a release',
  gh: 'publishes a release',
  diff: 'compares a release with another one',
  npm: 'links or publishes the package; test/e2e/package.test.ts packs and installs it',
  npx: 'runs what is installed; test/e2e/package.test.ts does',
  tar: 'looks into a package that is to be published',
  amtool: 'asks the Alertmanager of the reader',
  ssh: 'a login to the node of the reader',
  openssl: 'makes a key',
  'ssh-keygen': 'checks the signature of a release',
  sha256sum: 'checks the files of a release',
  less: 'a pager',
  install: 'makes a directory or a file in /etc',
  mkdir: 'makes a directory',
  mv: 'puts a file into a directory in /etc',
  cd: 'changes the directory',
  set: 'a setting of the shell',
  '.': 'reads settings that ospatch init writes; test/e2e/init.test.ts does',
  umask: 'a setting of the shell',
  '[': 'a test of the shell',
  skopeo: 'copies an image; test/packages/image.packages.test.ts does',
  podman: 'runs an image; test/packages/image.packages.test.ts does',
  helm: 'test/packages/chart.packages.test.ts renders and applies the chart',
  curl: 'asks the exporter of the reader; test/workflows/exporter.test.ts scrapes one',
  promtool: 'run by test/monitoring on the same files',
  systemctl: 'on the machine of a worker',
  'apt-get': 'installs what test/packages installs',
  chgrp: 'gives a key to the worker, as test/packages does',
  chmod: 'gives a key to the worker, as test/packages does',
  gpg: 'the key of an archive of packages',
  echo: 'names an archive of packages',
  'scripts/build-deb.sh': 'run by test/packages',
  journalctl: 'on the machine of a worker',
  export: 'a setting of the shell',
  kill: 'ends a job of the shell',
  mktemp: 'makes a directory',
  sleep: 'waits',
  xargs: 'repeats a command of ospatch',
  visudo: 'on the machine that manages the rules; test/node/sudoers.test.ts checks the rule',
};

/** Programs that test/docs/run has. */
const RUN = new Set('ospatch temporal install mv umask openssl export mktemp sleep kill xargs [ curl'.split(' '));

interface Example {
  where: string;
  words: string[];
  /** Why nothing of it is tried, as the page says: `<!-- not run: reason -->` before the block. */
  notRun: string | undefined;
}

const notRun = (notes: readonly string[]): string | undefined =>
  notes.flatMap((note) => /^not run: (.+)/.exec(note)?.[1] ?? [])[0];

function examples(): Example[] {
  return DOCUMENTS.flatMap((name) =>
    fencedBlocks(readFileSync(path.join(ROOT, name), 'utf8')).flatMap(({ language, line, code, notes }) => {
      // A block without a language is a command and perhaps its output, so only commands of ospatch are known as such.
      if (!['', 'sh', 'console', 'bash'].includes(language)) return [];
      const lines =
        language === ''
          ? code
              .split('\n')
              .filter((text) => /^(\$ )?([A-Z_]+=\S+ )*ospatch |\| ospatch /.test(text))
              .join('\n')
          : code;
      const commands = language === 'console' ? (lines.match(/^\$ .*(\n> .*)*/gm) ?? []).join('\n') : lines;
      return shellCommands(commands.replace(/^[$>] /gm, '')).map((words) => ({
        where: `${name}:${line}`,
        words,
        notRun: notRun(notes),
      }));
    }),
  );
}

/** Usages of ospatch in the middle of sentences. */
function inlineUsages(): Example[] {
  return DOCUMENTS.filter((name) => name !== 'CHANGELOG.md').flatMap((name) => {
    const text = readFileSync(path.join(ROOT, name), 'utf8').replace(/^ *```[\s\S]*?^ *```/gm, '');
    return [...text.matchAll(/`(ospatch [a-z][^`]*)`/g)].flatMap(([, code = '']) =>
      shellCommands(code.replace(/\s+/g, ' ')).map((words) => ({ where: name, words, notRun: undefined })),
    );
  });
}

/** Usages of ospatch in the messages of the program itself: remedies, findings, explanations. */
function usagesInMessages(): Example[] {
  const sources = readdirSync(path.join(ROOT, 'src'), { recursive: true, encoding: 'utf8' });
  return sources
    .filter((name) => name.endsWith('.ts'))
    .flatMap((name) => {
      const code = readFileSync(path.join(ROOT, 'src', name), 'utf8').replace(/^ *(\*|\/\/|\/\*).*$/gm, '');
      const usage = /(?:\\?`|'|: )(ospatch [a-z-]+(?: (?:\$\{[^}]*\}|[^`'"\n;,]))*[^`'"\n;,]*)/g;
      return [...code.matchAll(usage)].map(([, text = '']) => {
        const [command = ''] = text.split(/\\n|: /);
        const plain = command.replace(/\$\{[^}]*\}/g, 'X').replace(/[.)\\]+$/, '');
        return { where: `src/${name}`, words: plain.split(/\s+/), notRun: undefined };
      });
    })
    .filter(({ words: [, verb = ''] }) => !SENTENCES.has(verb));
}

/** After the name of the program in sentences about it. */
const SENTENCES = new Set(['has', 'will', 'runs', 'installs', 'payload', 'cluster', '--help']);

/** The program, whose commands do nothing. */
function inertProgram(): Command {
  const program = buildProgram(fakeTerminal().context);
  const silence = (command: Command): void => {
    if (command.commands.length === 0) command.action(() => undefined);
    command.commands.forEach(silence);
  };
  silence(program);
  return program;
}

async function problemOf({ where, words }: Example): Promise<string[]> {
  try {
    await inertProgram().parseAsync(words.slice(1), { from: 'user' });
    return [];
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    return /help|version/.test(code ?? '') ? [] : [`${where}: ${words.join(' ')}: ${message}`];
  }
}

/** Whether what a command of this repository names is there. */
function missing({ where, words, notRun: reason }: Example): string[] {
  if (reason !== undefined) return [];
  const [program = '', ...rest] = words;
  if (program === 'make') {
    const targets = readFileSync(path.join(ROOT, 'Makefile'), 'utf8');
    return rest
      .filter((target) => !new RegExp(`^${target}:`, 'm').test(targets))
      .map((target) => `${where}: make ${target}`);
  }
  const file = program === 'node' ? rest.find((word) => !word.startsWith('-')) : program;
  if (file?.includes('/') === true)
    return existsSync(path.join(ROOT, file)) ? [] : [`${where}: ${file} does not exist`];
  return NOT_RUN[program] === undefined ? [`${where}: ${program} is neither checked nor listed as not run`] : [];
}

/** Commands and options that the program does not have. */
function unknownWords({ where, words: [, ...words] }: Example): string[] {
  const program = inertProgram();
  let command = program;
  const options = words.filter((word) => word.startsWith('-')).map((word) => word.replace(/[=,.].*$/, ''));
  for (const word of words) {
    const inner = command.commands.find((one) => one.name() === word || one.aliases().includes(word));
    if (inner === undefined) break;
    command = inner;
  }
  if (command === program) return [`${where}: no command in: ospatch ${words.join(' ')}`];
  const known = [program, command, command.parent ?? program].flatMap((one) =>
    one.options.flatMap(({ short, long }) => [short, long]),
  );
  return options
    .filter((option) => !['--help', '-h'].includes(option) && !known.includes(option))
    .map((option) => `${where}: ${option} in: ospatch ${words.join(' ')}`);
}

describe('the commands in the documents', () => {
  const all = examples();
  const isOurs = ({ words }: Example): boolean => words[0] === 'ospatch';

  it('are parsed by the program, with their arguments and options', async () => {
    const ours = all.filter(isOurs);
    expect(ours.length).toBeGreaterThan(60);
    expect((await Promise.all(ours.map(problemOf))).flat()).toEqual([]);
  });

  it('name files and targets that exist, or are listed with the reason why nothing is tried', () => {
    expect(all.filter((one) => !isOurs(one)).flatMap(missing)).toEqual([]);
    const used = new Set(all.map(({ words }) => words[0]));
    expect(Object.keys(NOT_RUN).filter((program) => !used.has(program))).toEqual([]);
  });

  it('are run by `make test-docs`, or the page says why they are not', () => {
    const elsewhere = /^(ARCHITECTURE|CONTRIBUTING|SECURITY|CHANGELOG|docs\/(messages|development|releasing))\.md:/;
    const silent = all.filter(
      ({ where, words: [program = ''], notRun: reason }) =>
        !elsewhere.test(where) && reason === undefined && !RUN.has(program) && !program.includes('/'),
    );
    expect(silent.map(({ where, words }) => `${where}: ${words.join(' ')}`)).toEqual([]);
  });

  it('that are not run here have the test that the page names', () => {
    const reasons = [...new Set(all.flatMap(({ notRun: reason }) => reason ?? []))];
    expect(reasons.length).toBeGreaterThan(10);
    const named = [...reasons, ...Object.values(NOT_RUN)].flatMap(
      (reason) => reason.match(/\btest\/[\w./-]*\w/g) ?? [],
    );
    const isThere = (name: string): boolean =>
      existsSync(path.join(ROOT, name)) || existsSync(path.join(ROOT, `${name}.test.ts`));
    expect(named.filter((name) => !isThere(name))).toEqual([]);
  });

  it('exist where a sentence names them, with their options', () => {
    expect(inlineUsages().flatMap(unknownWords)).toEqual([]);
  });

  it('are all explained in docs/cli.md', () => {
    const text = readFileSync(path.join(ROOT, 'docs/cli.md'), 'utf8');
    const titles = [...text.matchAll(/^###? (.+)$/gm)].flatMap(([, title = '']) => title.split(', '));
    const names = inertProgram().commands.map((command) => command.name());
    expect(names.filter((name) => !titles.some((title) => title === name || title.startsWith(`${name} `)))).toEqual([]);
  });

  it('are in docs/commands.md with every option, as scripts/generate-command-reference.js writes them', () => {
    const page = commandPage(buildProgram(fakeTerminal().context));
    expect(readFileSync(path.join(ROOT, 'docs/commands.md'), 'utf8')).toBe(page);
  });

  it('exist where a message of the program names them, with their options', () => {
    const usages = usagesInMessages();
    expect(usages.length).toBeGreaterThan(100);
    expect(usages.flatMap(unknownWords)).toEqual([]);
  });
});

describe('the examples of specs', () => {
  it('are valid, with the host keys beside them', async () => {
    expect(await runOffline(['validate', '-f', 'examples'], { cwd: ROOT })).toMatchObject({ code: 0, stderr: '' });
  });

  it('are valid in the documents too, but for host keys and names of files', async () => {
    for (const name of DOCUMENTS) {
      for (const { code, line } of ['yaml', 'json'].flatMap((language) =>
        fencedBlocks(readFileSync(path.join(ROOT, name), 'utf8'), language),
      )) {
        if (!/^(\{\s*"apiVersion": "|apiVersion: )ospatch\//.test(code)) continue;
        const { stdout, stderr } = await runOffline(['validate', '-f', '-', '-o', 'json'], { input: code });
        const { problems } = JSON.parse(stdout) as { problems: { path: string; severity: string }[] };
        const others = problems.filter((one) => one.severity === 'error' && !/hostKeys/.test(one.path));
        expect([`${name}:${line}`, others, stderr.includes('error') && problems.length === 0]).toEqual([
          `${name}:${line}`,
          [],
          false,
        ]);
      }
    }
  });
});
