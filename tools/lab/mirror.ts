/** Which Debian archive the nodes use: the one this machine uses, if it runs Debian, else debootstrap's own choice. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

import { runProgram } from '../../src/dev/host';
import type { Mirror } from './recipe';
import { defined } from '../../src/domain/shared/defined';

/**
 * Reads the apt sources of `root`. An empty `main` means that it names none, and debootstrap shall choose.
 */
export async function findMirror(root = '/'): Promise<Mirror> {
  const isDebian = /^ID="?debian"?$/m.test(read(path.join(root, 'etc/os-release')));
  const sources = isDebian ? readSources(root) : [];
  const main = sources.find((source) => /\/debian\/?$/.test(source.uri))?.uri ?? '';
  const security = sources.find((source) => source.suites.some((suite) => suite.endsWith('-security')))?.uri;
  const proxy = (await runProgram('apt-config', ['dump', '--format', '%v', 'Acquire::http::Proxy'])).stdout.trim();
  const chosenProxy = proxy || process.env['http_proxy'] || '';
  return {
    main,
    security: security ?? main.replace(/\/debian\/?$/, '/debian-security'),
    ...defined({ proxy: chosenProxy === '' ? undefined : chosenProxy }),
  };
}

interface Source {
  uri: string;
  suites: string[];
}

function readSources(root: string): Source[] {
  const dir = path.join(root, 'etc/apt/sources.list.d');
  const files = existsSync(dir) ? readdirSync(dir).map((name) => path.join(dir, name)) : [];
  const sources: Source[] = [];
  for (const file of [path.join(root, 'etc/apt/sources.list'), ...files]) {
    const text = read(file);
    if (file.endsWith('.list')) {
      for (const match of text.matchAll(/^deb\s+(?:\[[^\]]*\]\s+)?(http\S+)\s+(\S+)/gm)) {
        sources.push({ uri: match[1] ?? '', suites: [match[2] ?? ''] });
      }
    } else if (file.endsWith('.sources')) {
      for (const stanza of text.split(/\n\s*\n/)) {
        const uri = /^URIs:\s*(http\S+)/m.exec(stanza)?.[1];
        const suites = /^Suites:\s*(.*)$/m.exec(stanza)?.[1]?.split(/\s+/) ?? [];
        if (uri !== undefined) sources.push({ uri, suites });
      }
    }
  }
  return sources;
}

function read(file: string): string {
  return existsSync(file) ? readFileSync(file, 'utf8') : '';
}
