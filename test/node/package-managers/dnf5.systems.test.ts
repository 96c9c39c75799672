import { describeDnf } from './dnf-suite';

describeDnf('src/node/package-managers/dnf on a real node with dnf5', {
  command: 'dnf5',
  node: { suite: 'sid', rpm: 'dnf5' },
  failedScript: { rc: 1, message: /scriptlet failed.*lab-post|lab-post.*scriptlet failed/ },
});
