/**
 * The groups and pages of the site, in reading order: [title, file in docs/ without .md]. A page that is in no group is
 * an error of `make docs` and of test/docs/navigation.test.ts; runbooks are listed by themselves.
 */
const { existsSync, readdirSync, readFileSync } = require('node:fs');
const path = require('node:path');

const DOCS = path.join(__dirname, '../docs');

const GROUPS = [
  {
    title: 'Start',
    pages: [
      ['Overview', 'README'],
      ['Quick start', 'quick-start'],
      ['Concepts', 'concepts'],
    ],
  },
  {
    title: 'Install',
    pages: [
      ['Install', 'install'],
      ['Debian package', 'install-debian'],
      ['Container image', 'install-image'],
      ['Helm chart', 'install-kubernetes'],
      ['Temporal Cloud', 'temporal-cloud'],
      ['Sizing', 'sizing'],
    ],
  },
  {
    title: 'Guides',
    pages: [
      ['Rollouts', 'rollouts'],
      ['Kubernetes nodes', 'kubernetes'],
      ['EKS node groups', 'eks'],
      ['Notifications', 'notifications'],
      ['Alerts and silences', 'alerts'],
    ],
  },
  {
    title: 'Operations',
    pages: [
      ['Running ospatch', 'operations'],
      ['Monitoring', 'monitoring'],
      ['Traces', 'tracing'],
      ['Upgrade', 'upgrading'],
      ['Backup and recovery', 'backup'],
      ['Troubleshooting', 'troubleshooting'],
    ],
  },
  {
    title: 'Security',
    pages: [
      ['Security', 'security'],
      ["The worker's policy", 'policy'],
    ],
  },
  {
    title: 'Reference',
    pages: [
      ['Spec', 'spec'],
      ['Command line', 'cli'],
      ['Commands and options', 'commands'],
      ['Messages', 'messages'],
      ['Node.js client', 'client'],
      ['Metrics', 'metrics'],
      ['Error messages', 'errors'],
      ['What happens on a node', 'node'],
      ['Glossary', 'glossary'],
    ],
  },
  { title: 'Runbooks', pages: [] },
  {
    title: 'Contributing',
    pages: [
      ['Development', 'development'],
      ['Releasing', 'releasing'],
    ],
  },
];

/** Every page below docs/, without `.md`. */
function pages() {
  return readdirSync(DOCS, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => name.replace(/\.md$/, ''))
    .sort();
}

/** The first heading of a page. */
function titleOf(page) {
  return /^# (.+)$/m.exec(readFileSync(path.join(DOCS, `${page}.md`), 'utf8'))?.[1] ?? page;
}

/** The groups with the pages that exist. */
function groups() {
  const runbooks = pages().filter((page) => page.startsWith('runbooks/'));
  return GROUPS.map(({ title, pages: listed }) => ({
    title,
    pages:
      title === 'Runbooks'
        ? runbooks
            .sort((a, b) => Number(b.endsWith('/README')) - Number(a.endsWith('/README')) || a.localeCompare(b))
            .map((page) => [page.endsWith('/README') ? 'Overview' : titleOf(page).replaceAll('`', ''), page])
        : listed.filter(([, page]) => existsSync(path.join(DOCS, `${page}.md`))),
  })).filter((group) => group.pages.length > 0);
}

/** Pages that nobody finds from the navigation. */
function unlisted() {
  const listed = new Set(groups().flatMap((group) => group.pages.map(([, page]) => page)));
  return pages().filter((page) => !listed.has(page));
}

module.exports = { groups, unlisted };
