import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { runProgram } from '../../src/dev/host';

const ROOT = path.join(__dirname, '../..');
const OXLINT = path.join(ROOT, 'node_modules/.bin/oxlint');

/** A file and one of its imports; `refused` is the expected lint result. */
const ARROWS = [
  { file: 'src/domain/node/a.ts', line: "import { x } from '../../node/b';", refused: true },
  { file: 'src/domain/b.ts', line: "import { x } from 'node:fs';", refused: true },
  { file: 'src/domain/c.ts', line: "import { x } from '@temporalio/common';", refused: true },
  { file: 'src/domain/d.ts', line: "import { x } from 'zod';", refused: false },
  { file: 'src/domain/node/e.ts', line: "import { x } from '../spec/types';", refused: false },
  { file: 'src/workflows/cluster/a.ts', line: "import { x } from '../../domain/schedule/cron';", refused: true },
  { file: 'src/workflows/b.ts', line: "import { x } from 'node:crypto';", refused: true },
  { file: 'src/workflows/c.ts', line: "import { x } from '@temporalio/client';", refused: true },
  { file: 'src/workflows/cluster/d.ts', line: "import { x } from '../../activities/node';", refused: true },
  {
    file: 'src/workflows/cluster/e.ts',
    line: "import type { X } from '../../contract/activities/node';",
    refused: false,
  },
  { file: 'src/workflows/cluster/f.ts', line: "import { x } from '../../domain/cluster/decide';", refused: false },
  { file: 'src/workflows/cluster/g.ts', line: "import { x } from '../node/steps';", refused: false },
  { file: 'src/workflows/cluster/h.ts', line: "import { x } from '../../node/facts';", refused: true },
  { file: 'src/contract/activities/a.ts', line: "import { x } from '../../activities/node';", refused: true },
  { file: 'src/contract/b.ts', line: "import { x } from '../domain/spec/types';", refused: false },
  { file: 'src/kubernetes/drain/a.ts', line: "import { x } from '../client/api';", refused: false },
  { file: 'src/kubernetes/drain/b.ts', line: "import { x } from '../../client/errors';", refused: true },
  { file: 'src/retry/a.ts', line: "import { x } from '../ssh/pool';", refused: true },
  { file: 'src/ssh/a.ts', line: "import { x } from '../node/facts';", refused: true },
  { file: 'src/ssh/b.ts', line: "import { x } from '../domain/errors';", refused: false },
  { file: 'src/node/a.ts', line: "import { x } from '@temporalio/common';", refused: true },
  { file: 'src/node/b.ts', line: "import { x } from '../ssh/transport';", refused: false },
  { file: 'src/client/a.ts', line: "import { x } from '../workflows/cluster';", refused: true },
  { file: 'src/client/b.ts', line: "import { x } from '../contract/messages';", refused: false },
  { file: 'src/client/c.ts', line: "import { x } from '../ssh/pool';", refused: true },
  { file: 'src/exporter/a.ts', line: "import { x } from '../workflows/cluster';", refused: true },
  { file: 'src/exporter/b.ts', line: "import { x } from '../client/connection';", refused: false },
  { file: 'src/cli/commands/a.ts', line: "import { x } from '../../ssh/pool';", refused: true },
  { file: 'src/cli/commands/b.ts', line: "import { x } from '../../dev/host';", refused: true },
  { file: 'src/cli/commands/enroll/index.ts', line: "import { x } from '../../../ssh/builtin/scan';", refused: false },
  { file: 'src/cli/commands/dev.ts', line: "import { x } from '../../dev/temporal-server';", refused: false },
  { file: 'src/cli/commands/worker.ts', line: "import { x } from '../../worker';", refused: false },
  { file: 'src/index.ts', line: "import { x } from './dev/host';", refused: true },
  { file: 'src/kubernetes/client/a.ts', line: "import { x } from '../../node/sanitize';", refused: true },
  { file: 'src/kubernetes/a.ts', line: "import { x } from '../node/sanitize';", refused: true },
  { file: 'src/kubernetes/c.ts', line: "import { x } from '../domain/node/report';", refused: false },
  { file: 'src/aws/a.ts', line: "import { x } from '../kubernetes/session';", refused: true },
  { file: 'src/aws/b.ts', line: "import { x } from '../retry/backoff';", refused: false },
  { file: 'src/node/c.ts', line: "import { x } from '../aws/eks-api';", refused: true },
  { file: 'src/node/d.ts', line: "import { x } from '../hooks/run-hook';", refused: true },
  { file: 'src/hooks/a.ts', line: "import { x } from '../node/facts';", refused: true },
  { file: 'src/hooks/b.ts', line: "import { x } from '../domain/shared/errors';", refused: false },
  { file: 'src/alertmanager/a.ts', line: "import { x } from '../node/facts';", refused: true },
  { file: 'src/alertmanager/b.ts', line: "import { x } from '../http/call';", refused: false },
  { file: 'src/http/a.ts', line: "import { x } from '../hooks/run-hook';", refused: true },
  { file: 'src/http/b.ts', line: "import { x } from '../domain/shared/errors';", refused: false },
  { file: 'src/ssh/c.ts', line: "import { x } from '../http/call';", refused: true },
  { file: 'src/encryption/a.ts', line: "import { x } from '../hooks/run-hook';", refused: true },
  { file: 'src/encryption/b.ts', line: "import { x } from '../client/connection';", refused: true },
  { file: 'src/encryption/c.ts', line: "import { x } from '../domain/shared/errors';", refused: false },
  { file: 'src/activities/a.ts', line: "import { x } from '../workflows/cluster/state';", refused: true },
  { file: 'src/replay.ts', line: "import { x } from './cli/main';", refused: true },
  { file: 'src/client/d.ts', line: "import { x } from '../replay';", refused: true },
  { file: 'src/worker.ts', line: "import { x } from './cli/main';", refused: true },
  { file: 'src/dev/a.ts', line: "import { x } from '../../tools/apt';", refused: true },
];

/** Rules for static imports also hold for lazy imports inside a function. */
const LAZY = [
  { file: 'src/domain/node/lazy-a.ts', line: "export const a = () => import('../../node/facts.js');", refused: true },
  { file: 'src/domain/node/lazy-b.ts', line: "export const a = () => import('../spec/types.js');", refused: false },
  {
    file: 'src/workflows/cluster/lazy-a.ts',
    line: "export const a = () => import('../../activities/node.js');",
    refused: true,
  },
  { file: 'src/client/lazy-a.ts', line: "export const a = () => import('../worker.js');", refused: true },
  { file: 'src/cli/commands/lazy-a.ts', line: "export const a = () => import('../../ssh/pool.js');", refused: true },
  { file: 'src/cli/commands/lazy-b.ts', line: "export const a = () => import('../../worker.js');", refused: true },
  {
    file: 'src/cli/commands/lazy-c.ts',
    line: "export const a = () => import('../../client/cluster-client.js');",
    refused: false,
  },
  {
    file: 'src/cli/commands/lazy-d.ts',
    line: "export const a = () => require('../../ssh/pool') as typeof import('../../ssh/pool');",
    refused: true,
  },
  { file: 'src/cli/commands/lazy-e.ts', line: "export const a = () => require('../render/list');", refused: true },
  {
    file: 'src/cli/commands/codec-server.ts',
    line: "export const a = () => import('../../encryption/codec.js');",
    refused: false,
  },
  {
    file: 'src/kubernetes/client/lazy-a.ts',
    line: "export const a = () => import('../../node/sanitize.js');",
    refused: true,
  },
  { file: 'src/hooks/lazy-a.ts', line: "export const a = () => import('../ssh/pool.js');", refused: true },
];

describe('.oxlintrc.json', () => {
  let dir: string;
  let report: string;

  beforeAll(async () => {
    dir = mkdtempSync(path.join(tmpdir(), 'ospatch-arrows-'));
    const config = JSON.parse(readFileSync(path.join(ROOT, '.oxlintrc.json'), 'utf8')) as Record<string, unknown>;
    writeFileSync(path.join(dir, '.oxlintrc.json'), JSON.stringify({ ...config, options: {} }));
    copyFileSync(path.join(ROOT, 'tsconfig.json'), path.join(dir, 'tsconfig.json'));
    for (const { file, line } of [...ARROWS, ...LAZY]) {
      mkdirSync(path.dirname(path.join(dir, file)), { recursive: true });
      writeFileSync(path.join(dir, file), `${line}\n`);
    }
    report = (await runProgram(OXLINT, ['--format=unix', 'src'], { cwd: dir })).stdout;
  });

  afterAll(() => rmSync(dir, { recursive: true }));

  it.each([...ARROWS, ...LAZY])('decides about $line in $file', ({ file, refused }) => {
    const refusals = report
      .split('\n')
      .filter((line) => line.includes(file) && /no-restricted-imports|no-require-imports/.test(line));
    expect(refusals.length > 0).toBe(refused);
  });
});
