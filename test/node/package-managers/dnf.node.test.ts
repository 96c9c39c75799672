import { describeDnf } from './dnf-suite';

describeDnf('src/node/package-managers/dnf on a real node with dnf 4', {
  command: 'dnf',
  node: { rpm: 'dnf' },
  failedScript: { rc: 93, message: /own scripts failed .*lab-post/ },
});
