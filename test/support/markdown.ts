/** Parts of the documents. */

export interface FencedBlock {
  language: string;
  /** Line of its first line of code, from 1 on. */
  line: number;
  code: string;
  /** The comments right before it, such as `not run: reason`. */
  notes: string[];
}

/** The fenced blocks of a document; with `language` only those. */
export function fencedBlocks(text: string, language?: string): FencedBlock[] {
  const blocks: FencedBlock[] = [];
  let open: { language: string; line: number; lines: string[]; indent: number; notes: string[] } | null = null;
  let notes: string[] = [];
  for (const [at, line] of text.split('\n').entries()) {
    const fence = /^( *)```(\S*)/.exec(line);
    if (fence === null) {
      open?.lines.push(line.slice(open.indent));
      const note = /^ *<!-- (.*) -->$/.exec(line)?.[1];
      if (note !== undefined) notes.push(note);
      else if (line.trim() !== '') notes = [];
      continue;
    }
    if (open === null) {
      open = { language: fence[2] ?? '', line: at + 2, lines: [], indent: (fence[1] ?? '').length, notes };
      notes = [];
    } else {
      const { language, line: first, lines, notes: before } = open;
      blocks.push({ language, line: first, code: lines.join('\n'), notes: before });
      open = null;
      notes = [];
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
