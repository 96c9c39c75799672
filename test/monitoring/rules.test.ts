/** What a person who is woken by an alert is given. */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { ROOT, RULES, allRules, alertRules } from './rules';

const URL = 'https://github.com/ospatch/ospatch/blob/main/';

/** The names in the tables of docs/metrics.md. */
function documented(): string[] {
  const text = readFileSync(path.join(ROOT, 'docs/metrics.md'), 'utf8');
  return [...text.matchAll(/^\| `(ospatch_\w+)`/gm)].map(([, name = '']) => name);
}

describe('the alert rules', () => {
  it.each(alertRules().map((rule) => [rule.alert, rule] as const))(
    '%s has a severity, a summary, a description with a command, and a runbook that is there',
    (name, { labels, annotations }) => {
      expect(['warning', 'critical']).toContain(labels?.['severity']);
      expect(Object.keys(annotations).toSorted()).toEqual(['description', 'runbook_url', 'summary']);
      expect(annotations['summary']).toMatch(/^[^\n]{20,120}\.$/);
      expect(annotations['description']).toMatch(/: ospatch (explain|doctor|history|events)/);
      const page = `docs/runbooks/${name}.md`;
      expect(annotations['runbook_url']).toBe(`${URL}${page}`);
      const text = readFileSync(path.join(ROOT, page), 'utf8');
      expect(text).toMatch(
        new RegExp(`^# ${name}\n\n\\*\\*Severity\\*\\* ${labels?.['severity']}\\. \\*\\*Fires\\*\\* `),
      );
      for (const part of ['What it means', 'How to see it', 'What to do']) expect(text).toContain(`\n## ${part}\n`);
    },
  );

  it('are all in the lists of docs/monitoring.md and docs/runbooks, which have no other', () => {
    const names = alertRules().map(({ alert }) => alert);
    for (const page of ['docs/monitoring.md', 'docs/runbooks/README.md']) {
      const rows = readFileSync(path.join(ROOT, page), 'utf8').matchAll(/^\| \[(Ospatch\w+)\]\(\S+\) +\| (\w+) /gm);
      const listed = [...rows].map(([, name, severity]) => [name, severity]);
      expect(listed).toEqual(alertRules().map(({ alert, labels }) => [alert, labels?.['severity']]));
    }
    const pages = readdirSync(path.join(ROOT, 'docs/runbooks')).filter((name) => name !== 'README.md');
    expect(pages.toSorted()).toEqual(names.map((name) => `${name}.md`).toSorted());
  });

  it('read only series that docs/metrics.md has', () => {
    const known = documented();
    const used = allRules().flatMap(({ expr }) => [...expr.matchAll(/\bospatch_\w+/g)].map(([name]) => name));
    expect(used.length).toBeGreaterThan(15);
    expect(used.filter((name) => !known.includes(name.replace(/_bucket$/, '')))).toEqual([]);
  });

  it('are published', () => {
    const { files } = JSON.parse(readFileSync(path.join(ROOT, 'package.json'), 'utf8')) as { files: string[] };
    expect(files).toEqual(expect.arrayContaining(['deploy', 'docs/**/*.md']));
    expect(existsSync(RULES)).toBe(true);
  });
});
