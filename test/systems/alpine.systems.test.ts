import '../support/slow-suite';
import { describeSystems } from './system-suite';

/** No repository of the lab has Alpine's own packages, so only those of the lab are pending. */
describeSystems([
  {
    name: 'alpine',
    title: 'Alpine 3.23',
    node: { system: 'alpine', updates: 'none' },
    rules: ['regex', 'wildcard', 'doas'],
  },
]);
