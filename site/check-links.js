// Checks every link of the built site: the page must exist, and have the anchor. VitePress itself checks pages only.
const { readFileSync, readdirSync } = require('node:fs');
const path = require('node:path');

const DIST = path.join(__dirname, 'dist');
const base = process.env.OSPATCH_SITE_BASE ?? '/';

const pages = new Map(
  readdirSync(DIST, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.html'))
    .map((name) => [name, readFileSync(path.join(DIST, name), 'utf8')]),
);
const ids = new Map(
  [...pages].map(([name, html]) => [name, new Set([...html.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id))]),
);

const problems = pages.size === 0 ? ['there are no pages'] : [];
for (const [name, html] of pages) {
  for (const [, href] of html.matchAll(/<a [^>]*?href="([^"]+)"/g)) {
    const url = new URL(href.replaceAll('&amp;', '&'), `https://site.invalid${base}${name}`);
    if (url.host !== 'site.invalid') continue;
    if (!url.pathname.startsWith(base)) {
      problems.push(`${name}: ${href} leaves the site`);
      continue;
    }
    const file = url.pathname.slice(base.length).replace(/(^|\/)$/, '$1index.html');
    const target = ids.get(file) ?? ids.get(`${file}.html`);
    const anchor = decodeURIComponent(url.hash.slice(1));
    if (target === undefined) problems.push(`${name}: there is no page ${href}`);
    else if (anchor !== '' && !target.has(anchor)) problems.push(`${name}: there is no anchor ${href}`);
  }
}
for (const problem of [...new Set(problems)]) console.error(problem);
if (problems.length > 0) process.exitCode = 1;
else console.log(`${pages.size} pages, no dead link`);
