'use strict';
/**
 * Prints debian/copyright of the package: the licence of ospatch, and those of all packages that it brings along, with their
 * notices. Usage: node scripts/deb-copyright.js
 */
const { existsSync, readFileSync, readdirSync } = require('node:fs');
const path = require('node:path');
const { productionPackages } = require('./program-tree');

const ROOT = path.join(__dirname, '..');

/** Debian has the text on every machine. */
const APACHE = `On Debian systems, the text of the Apache License, Version 2.0, is in
/usr/share/common-licenses/Apache-2.0.`;

const LICENCE_FILE = /^(?:[\w.-]*licen[cs]e|copying|unlicense)[\w.-]*$/i;
const NOTICE_FILE = /^notice[\w.-]*$/i;

/** For a manifest that names none. */
const TEXTS = [
  [/This is free and unencumbered software released into the public domain/, 'Unlicense'],
  [/Permission is hereby granted, free of charge, to any person obtaining a copy/, 'MIT'],
];

/** One package below node_modules: what it says about its licence. */
function licenceOf(name, root = ROOT) {
  const dir = path.join(root, name);
  const manifest = JSON.parse(readFileSync(path.join(dir, 'package.json'), 'utf8'));
  const textOf = (pattern) =>
    readdirSync(dir, { withFileTypes: true })
      .filter((entry) => entry.isFile() && pattern.test(entry.name))
      .map((entry) => readFileSync(path.join(dir, entry.name), 'utf8').replaceAll('\r', '').trim())
      .join('\n\n');
  const text = textOf(LICENCE_FILE);
  const id = idOf(manifest, text);
  const notice = textOf(NOTICE_FILE);
  const isApache = id === 'Apache-2.0';
  return {
    name,
    id,
    copyright: copyrightOf(text, isApache, manifest),
    text: [isApache ? APACHE : text || textOfId(id), notice].filter((part) => part !== '').join('\n\n'),
  };
}

/** SPDX, also of older manifests. */
function idOf({ name, license, licenses }, text) {
  const found = license ?? licenses?.[0] ?? TEXTS.find(([start]) => start.test(text))?.[1];
  const id = typeof found === 'object' ? found.type : found;
  if (typeof id !== 'string') throw new Error(`${name} names no licence`);
  return id
    .replace(/^\(|\)$/g, '')
    .replace(/ OR /g, ' or ')
    .replace(/ AND /g, ' and ');
}

function copyrightOf(text, isApache, { author, contributors, name }) {
  const lines = text
    .split('\n')
    .map((line) => line.replace(/^[\s*#>-]+/, '').trim())
    // The Apache licence speaks of copyright, and has a form to fill in.
    .filter(
      (line) => /^(?:the )?(?:portions )?copyright\b.*(?:\d{4}|\(c\)|©)/i.test(line) && !/\[yyyy\]|\{yyyy\}/.test(line),
    );
  if (lines.length > 0) return [...new Set(lines)];
  const person = author ?? contributors?.[0];
  const holder = (typeof person === 'object' ? person.name : person) ?? `the authors of ${name}`;
  return [isApache ? `${holder}` : `Copyright ${holder}`];
}

const MIT = `Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
documentation files (the "Software"), to deal in the Software without restriction, including without limitation the
rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit
persons to whom the Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the
Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR
COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR
OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.`;

/** Of packages that name their licence, and do not carry its text. */
function textOfId(id) {
  if (id === 'MIT') return MIT;
  throw new Error(`a package under ${id} has no licence file: add the text to scripts/deb-copyright.js`);
}

/** Paragraphs as in https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/. */
function paragraph(files, copyright, id, text, comment) {
  const short = id === 'MIT' ? 'Expat' : id;
  return [
    `Files: ${files.join('\n ')}`,
    `Copyright: ${copyright.join('\n ')}`,
    ...(comment === undefined ? [] : [`Comment: ${indented(comment).trimStart()}`]),
    `License: ${short}`,
    indented(text),
  ].join('\n');
}

function indented(text) {
  return text
    .split('\n')
    .map((line) => (line.trim() === '' ? ' .' : ` ${line.trimEnd()}`))
    .join('\n');
}

const BRIDGE = `The native library is the one that Temporal publishes on npm. The Rust crates linked into it, and their
licences, are listed in https://github.com/temporalio/sdk-core.`;

/** The whole file. `names`: packages as paths below `root`. */
function debianCopyright(names, root = ROOT) {
  const groups = new Map();
  for (const name of names) {
    const licence = licenceOf(name, root);
    const key = JSON.stringify([licence.id, licence.copyright, licence.text]);
    const group = groups.get(key) ?? { ...licence, files: [] };
    group.files.push(`usr/lib/ospatch/${name}/*`);
    groups.set(key, group);
  }
  const rest = [...groups.values()].map(({ files, copyright, id, text }) => {
    const comment = files.some((file) => file.includes('@temporalio/core-bridge')) ? BRIDGE : undefined;
    return paragraph(files, copyright, id, text, comment);
  });
  return `${[
    `Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: ospatch
Source: https://github.com/ospatch/ospatch`,
    paragraph(['*'], ['the authors of ospatch'], 'Apache-2.0', APACHE),
    ...rest,
  ].join('\n\n')}\n`;
}

module.exports = { debianCopyright, licenceOf };

if (require.main === module) {
  const lock = JSON.parse(readFileSync(path.join(ROOT, 'package-lock.json'), 'utf8'));
  if (!existsSync(path.join(ROOT, 'node_modules'))) {
    console.error('error: there is no node_modules: scripts/setup.sh deps');
    process.exit(1);
  }
  process.stdout.write(debianCopyright(productionPackages(lock)));
}
