/**
 * `ospatch` with prepared answers instead of a server, for a terminal. Usage:
 * node -r tools/register.js prepared-ospatch.ts FLEET ARGUMENT ...
 */
import { ClusterClient } from '../../../src/client/cluster-client';
import type { LiveStatus } from '../../../src/client/live-status';
import { processContext } from '../../../src/cli/io/context';
import { runCli } from '../../../src/cli/main';
import { OspatchError } from '../../../src/domain/shared/errors';
import { fleet } from '../render/fleet';
import { NOW, fakeClient } from '../support';

const [scene = '', ...args] = process.argv.slice(2);

let paused: LiveStatus['paused'] = null;

function present(): LiveStatus {
  return fleet(Number(scene), { cluster: 'prod-eu', paused });
}

const client = fakeClient({
  status: () => Promise.resolve(present()),
  pause: (_cluster: string, { reason = null }: { reason?: string | null }) => {
    paused = { at: new Date(NOW).toISOString(), by: 'ann@host', reason };
    return Promise.resolve({ changed: true, pause: paused });
  },
  resume: () => {
    paused = null;
    return Promise.resolve({ changed: true });
  },
  steer: (_cluster: string, name: string, { node }: { node: string }) =>
    name === 'retry'
      ? Promise.resolve({ effect: `${node} gets another turn in run 7` })
      : Promise.reject(
          new OspatchError({
            type: 'Refused',
            message: `${node} is in work, so run 7 cannot skip it`,
            remedy: `wait for the end, or cancel the run: ospatch cancel prod-eu`,
          }),
        ),
  nodeLog: () =>
    Promise.resolve({
      log: Array.from({ length: 60 }, (_, at) => `Setting up libc6:amd64 (2.36-9+deb12u${at}) ...`).join('\n'),
      truncated: false,
    }),
  explain: (_cluster: string, node: string) =>
    Promise.resolve([
      {
        kind: 'in-work',
        what: `${node} is not patched yet`,
        because: 'run 7 works on it: apply 3/12',
        since: new Date(NOW - 65_000).toISOString(),
        until: null,
        change: [],
      },
    ]),
});

ClusterClient.connect = () => Promise.resolve(client);
process.env['TZ'] = 'UTC';
void runCli(args, { ...processContext(), now: () => NOW });
