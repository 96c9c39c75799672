/** Parts of the documents. */

export interface FencedBlock {
  language: string;
  /** Line of its first line of code, from 1 on. */
  line: number;
  code: string;
}

/** The fenced blocks of a document; with `language` only those. */
export function fencedBlocks(text: string, language?: string): FencedBlock[] {
  const blocks: FencedBlock[] = [];
  let open: { language: string; line: number; lines: string[]; indent: number } | null = null;
  for (const [at, line] of text.split('\n').entries()) {
    const fence = /^( *)```(\S*)/.exec(line);
    if (fence === null) {
      open?.lines.push(line.slice(open.indent));
      continue;
    }
    if (open === null) open = { language: fence[2] ?? '', line: at + 2, lines: [], indent: (fence[1] ?? '').length };
    else {
      blocks.push({ language: open.language, line: open.line, code: open.lines.join('\n') });
      open = null;
    }
  }
  return blocks.filter((block) => language === undefined || block.language === language);
}

/** The text without its fenced blocks, its code in sentences and its comments; lines stay lines. */
export function withoutCode(text: string): string {
  const blank = (found: string): string => found.replace(/[^\n]/g, '');
  return text
    .replace(/^ *```[\s\S]*?^ *```/gm, blank)
    .replace(/<!--[\s\S]*?-->/g, blank)
    .replace(/`[^`\n]+`/g, (code) => code.replace(/[<>[\]()#]/g, ''));
}
