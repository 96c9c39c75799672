/** The site of docs/*.md. The pages stay plain Markdown: whatever the site needs beyond that is done here. */
import { existsSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitepress';

// Not by import: VitePress bundles what is imported, and these are shared with the tests.
const require = createRequire(new URL('../package.json', import.meta.url));
const navigation = require('./navigation.js');
const { slug } = require('./slug.js');

const VUE = path.dirname(require.resolve('vue/package.json'));
const DOCS = fileURLToPath(new URL('../../docs', import.meta.url));
const REPOSITORY = 'https://github.com/ospatch/ospatch';

const unlisted = navigation.unlisted();
if (unlisted.length > 0) {
  throw new Error(
    `pages without a place in site/navigation.js: ${unlisted.map((page) => `docs/${page}.md`).join(', ')}`,
  );
}

/** `README.md` is the page of its folder on the code host, `index.html` on the site. */
const toUrl = (page) => `/${page.replace(/README$/, '')}`;

/** Links to files of the repository that are no pages lead to the code host. */
function linkToRepository(md) {
  md.core.ruler.push('repository-links', ({ tokens, env }) => {
    const links = tokens.flatMap(({ children }) => children ?? []).filter(({ type }) => type === 'link_open');
    for (const link of links) {
      const href = link.attrGet('href') ?? '';
      if (/^([a-z]+:|#|\/)/.test(href)) continue;
      const [target = '', hash] = href.split('#');
      const file = path.posix.join('docs', path.posix.dirname(env.relativePath), target);
      if (file.startsWith('docs/') && target.endsWith('.md')) {
        // The page of a folder has the address of the folder, as in `rewrites`.
        const page = `/${file.slice('docs/'.length)}`;
        if (page.endsWith('/README.md'))
          link.attrSet('href', page.replace(/README\.md$/, '') + (hash === undefined ? '' : `#${hash}`));
        continue;
      }
      const found = path.join(DOCS, '..', file);
      if (!existsSync(found)) throw new Error(`${env.relativePath}: the link ${href} leads nowhere`);
      const kind = statSync(found).isDirectory() ? 'tree' : 'blob';
      link.attrSet('href', `${REPOSITORY}/${kind}/main/${file}${hash === undefined ? '' : `#${hash}`}`);
    }
  });
}

export default defineConfig({
  title: 'ospatch',
  description: 'Keeps the operating system of cluster nodes at the latest patch version, node by node, over SSH.',
  lang: 'en',
  base: process.env.OSPATCH_SITE_BASE ?? '/',
  srcDir: DOCS,
  outDir: fileURLToPath(new URL('../dist', import.meta.url)),
  rewrites: { 'README.md': 'index.md', 'runbooks/README.md': 'runbooks/index.md' },
  metaChunk: true,
  markdown: {
    anchor: { slugify: slug },
    config: linkToRepository,
    languageAlias: { console: 'shellsession', sudoers: 'ini' },
  },
  vite: {
    // The pages are outside of this folder, from where nobody would find it.
    resolve: {
      alias: [
        { find: /^vue$/, replacement: path.join(VUE, 'dist/vue.runtime.esm-bundler.js') },
        { find: /^vue\/server-renderer$/, replacement: path.join(VUE, 'server-renderer/index.mjs') },
      ],
    },
    server: { fs: { allow: [path.dirname(DOCS)] } },
  },
  themeConfig: {
    search: { provider: 'local' },
    outline: { level: [2, 3], label: 'On this page' },
    nav: [
      { text: 'Quick start', link: existsSync(path.join(DOCS, 'quick-start.md')) ? '/quick-start' : '/' },
      { text: 'Command line', link: '/cli' },
      { text: 'Troubleshooting', link: '/troubleshooting' },
    ],
    sidebar: navigation.groups().map(({ title, pages }) => ({
      text: title,
      collapsed: ['Runbooks', 'Contributing'].includes(title) ? true : undefined,
      items: pages.map(([text, page]) => ({ text, link: toUrl(page) })),
    })),
    socialLinks: [{ icon: 'github', link: REPOSITORY }],
    editLink: { pattern: `${REPOSITORY}/edit/main/docs/:path`, text: 'Edit this page' },
    footer: { message: 'Apache License 2.0' },
  },
});
