/** The simple commands of a shell example, as words. Enough shell for the documents: quotes, pipes, lists, redirections, comments. */

/** Operators after which a new command begins. */
const SEPARATORS = /^(\|\|?|&&|&|;|\(|\))$/;

const KEYWORDS = new Set(['until', 'while', 'do', 'done', 'if', 'then', 'else', 'fi', '!', '&', '{', '}']);

export function shellCommands(code: string): string[][] {
  const commands: string[][] = [];
  let current: string[] = [];
  const end = (): void => {
    if (current.length > 0) commands.push(current);
    current = [];
  };
  for (const token of tokens(code.replace(/\\\n\s*/g, ' '))) {
    if (token === '\n' || SEPARATORS.test(token)) end();
    else current.push(token);
  }
  end();
  return commands.map(withoutRedirections).flatMap((words) => {
    // Keywords of the shell and settings of the environment come before the command.
    const first = words.findIndex((word) => !/^[A-Z_]+=/.test(word) && !KEYWORDS.has(word));
    return first < 0 || words[0] === 'for' ? [] : [words.slice(first)];
  });
}

function tokens(code: string): string[] {
  const found: string[] = [];
  const pattern = /\s*?(\n|#[^\n]*|\|\|?|&&|&|;|[()]|[0-9]?>>?|<|(?:"(?:\\.|[^"])*"|'[^']*'|\\.|[^\s|&;()<>"'])+)/g;
  for (const [, token = ''] of code.replace(/[ \t]+/g, ' ').matchAll(pattern)) {
    if (!token.startsWith('#')) found.push(token === '\n' ? token : unquoted(token));
  }
  return found;
}

function unquoted(token: string): string {
  return token.replace(/"((?:\\.|[^"])*)"|'([^']*)'/g, (_, double?: string, single?: string) => double ?? single ?? '');
}

function withoutRedirections(words: readonly string[]): string[] {
  return words.filter((word, at) => !/^([0-9]?>>?|<)$/.test(word) && !/^([0-9]?>>?|<)$/.test(words[at - 1] ?? ''));
}
