/** Questions one after the other on a terminal, on standard error. Ctrl-C and the end of the input end all of them. */
import { createInterface } from 'node:readline';
import type { Interface } from 'node:readline';
import { Writable } from 'node:stream';
import { OspatchError } from '../../domain/shared/errors';
import { plainText } from '../../domain/shared/text';
import type { CliContext } from './context';
import { colors, printNote } from './output';
import { wrapIndented } from '../render/columns';

/** The user has ended the questions. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';
}

export interface Question<T> {
  text: string;
  /** The answer of an empty line, shown in brackets. Absent: an empty line is asked again, unless `parse` takes it. */
  fallback?: string;
  /** The answer is not shown. */
  isSecret?: boolean;
  /** @throws OspatchError for an answer that is not allowed; the question is asked again */
  parse(answer: string): T | Promise<T>;
}

export class Prompter {
  private readonly terminal: Interface;
  /** Lines that were typed before they were asked for. */
  private readonly lines: string[] = [];
  private waiting: { resolve(line: string): void; reject(error: Error): void } | null = null;
  private isMuted = false;
  private hasEnded = false;
  private readonly interruption = new AbortController();

  constructor(private readonly context: CliContext) {
    const { stderr, stdin } = context;
    // Shows what is typed, except a secret.
    const output = new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        // At once: what is written later would be shown or hidden by the next question.
        if (!this.isMuted) stderr.write(chunk);
        done();
      },
    });
    Object.defineProperty(output, 'columns', { get: () => Reflect.get(stderr, 'columns') as unknown });
    this.terminal = createInterface({ input: stdin, output, terminal: true, historySize: 0 });
    this.terminal.on('line', (line) => {
      const { waiting } = this;
      // Two lines may come at once.
      this.waiting = null;
      if (waiting === null) this.lines.push(line);
      else waiting.resolve(line);
    });
    this.terminal.on('SIGINT', () => this.terminal.close());
    this.terminal.on('close', () => {
      if (this.hasEnded) return;
      this.interruption.abort();
      this.waiting?.reject(new Interrupted());
    });
  }

  /** Asks until the answer is allowed. @throws Interrupted */
  async ask<T>({ text, fallback, isSecret = false, parse }: Question<T>): Promise<T> {
    for (;;) {
      const shown = fallback === undefined || fallback === '' ? '' : ` [${fallback}]`;
      const line = (await this.read(`${text}${shown}: `, isSecret)).trim();
      const answer = line === '' ? (fallback ?? '') : line;
      try {
        return await this.during(parse(answer));
      } catch (error) {
        if (!(error instanceof OspatchError)) throw error;
        this.note(error.message);
        // Of a mistake in the answer the remedy is the question, which follows.
        if (error.type !== 'Usage' && error.remedy !== undefined) this.note(`  fix: ${error.remedy}`);
      }
    }
  }

  /** Prints lines between questions, as wide as the terminal. */
  note(text: string): void {
    printNote(this.context, wrapIndented(text, colors(this.context, 'stderr').columns));
  }

  /** An empty line is `fallback`; what is neither yes nor no is asked again. @throws Interrupted */
  async confirm(text: string, fallback = false): Promise<boolean> {
    for (;;) {
      const answer = (await this.read(`${text} ${fallback ? '[Y/n]' : '[y/N]'} `, false)).trim();
      if (answer === '') return fallback;
      if (/^(y(es)?|no?)$/i.test(answer)) return /^y/i.test(answer);
      this.note(`found ${JSON.stringify(plainText(answer, 60))}; allowed: y or n`);
    }
  }

  /** The result of `work`, unless the user ends it. @throws Interrupted */
  async during<T>(work: T | Promise<T>): Promise<T> {
    const { signal } = this.interruption;
    if (signal.aborted) throw new Interrupted();
    let stop: () => void = () => undefined;
    const ended = new Promise<never>((_resolve, reject) => {
      stop = () => reject(new Interrupted());
      signal.addEventListener('abort', stop, { once: true });
    });
    try {
      return await Promise.race([work, ended]);
    } finally {
      signal.removeEventListener('abort', stop);
    }
  }

  /** Gives the terminal back: from now on Ctrl-C ends the process as usual. */
  close(): void {
    this.hasEnded = true;
    this.terminal.close();
  }

  private async read(prompt: string, isSecret: boolean): Promise<string> {
    if (this.interruption.signal.aborted) throw new Interrupted();
    this.terminal.setPrompt(prompt);
    this.terminal.prompt();
    const early = this.lines.shift();
    if (early !== undefined) return early;
    this.isMuted = isSecret;
    try {
      return await new Promise<string>((resolve, reject) => {
        this.waiting = { resolve, reject };
      });
    } finally {
      this.waiting = null;
      this.isMuted = false;
      if (isSecret) this.context.stderr.write('\n');
    }
  }
}
