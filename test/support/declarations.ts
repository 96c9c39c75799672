/** Reads the declaration files of a package: the types used by its public names. */
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';

interface Source {
  /** Text of each exported declaration, without private members. */
  declarations: Map<string, string>;
  /** The origin of an imported name: the file and the name there. */
  imported: Map<string, { file: string; name: string }>;
  /** Names that this file re-exports. */
  passedOn: Map<string, { file: string; name: string }>;
}

const LINK = /^(import|export) (?:type )?\{([^}]*)\} from '(\.[^']*)';/gm;
const DECLARATION =
  /^export (?:declare )?(?:abstract )?(?:class|interface|type|const|function|enum) (\w+)[\s\S]*?(?=^(?:export|declare|interface|type|import|\/\*\*)|(?![\s\S]))/gm;

function readSource(file: string): Source {
  const text = readFileSync(file, 'utf8').replace(/^\s*private .*$/gm, '');
  const source: Source = { declarations: new Map(), imported: new Map(), passedOn: new Map() };
  for (const [, kind, names = '', from = ''] of text.matchAll(LINK)) {
    for (const entry of names.split(',')) {
      const [name = '', alias = name] = entry
        .replace(/^\s*type /, '')
        .trim()
        .split(' as ');
      if (name === '') continue;
      const links = kind === 'import' ? source.imported : source.passedOn;
      links.set(alias, { file: resolveDeclaration(path.dirname(file), from), name });
    }
  }
  for (const [declaration, name = ''] of text.matchAll(DECLARATION)) source.declarations.set(name, declaration);
  return source;
}

function resolveDeclaration(dir: string, from: string): string {
  const base = path.resolve(dir, from.replace(/\.js$/, ''));
  return existsSync(`${base}.d.ts`) ? `${base}.d.ts` : path.join(base, 'index.d.ts');
}

/** Names used by a package's public types and not exported by its entries, each as `Name (of File, in Name)`. */
export function unnamedTypes(entries: readonly string[]): string[] {
  const sources = new Map<string, Source>();
  const sourceOf = (file: string): Source => {
    const known = sources.get(file) ?? readSource(file);
    sources.set(file, known);
    return known;
  };
  /** The file that declares a name, resolved through re-exports. */
  const origin = (file: string, name: string): { file: string; name: string } => {
    const next = sourceOf(file).passedOn.get(name);
    return next === undefined ? { file, name } : origin(next.file, next.name);
  };
  const exported = new Set<string>();
  const open: { file: string; name: string }[] = [];
  for (const entry of entries) {
    const { passedOn, declarations } = sourceOf(entry);
    for (const name of [...passedOn.keys(), ...declarations.keys()]) {
      const place = origin(entry, name);
      exported.add(`${place.file}#${place.name}`);
      open.push(place);
    }
  }
  const missing = new Map<string, string>();
  for (const { file, name } of open) {
    const source = sourceOf(file);
    const text = source.declarations.get(name) ?? '';
    const bare = text.replace(/\/\*\*[\s\S]*?\*\//g, '').replace(/'[^']*'/g, '');
    for (const [word] of bare.matchAll(/\b[A-Z]\w*[a-z]\w*\b/g)) {
      const link = source.imported.get(word);
      const place =
        link === undefined
          ? source.declarations.has(word)
            ? { file, name: word }
            : undefined
          : origin(link.file, link.name);
      if (place === undefined || exported.has(`${place.file}#${place.name}`)) continue;
      exported.add(`${place.file}#${place.name}`);
      open.push(place);
      missing.set(place.name, `${place.name} (of ${path.basename(place.file)}, in ${name})`);
    }
  }
  return [...missing.values()].sort();
}
