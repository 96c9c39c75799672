/** The quick selection of `make test-systems`: the newest stable Debian. */
import '../support/slow-suite';
import { describeSystems } from './system-suite';

describeSystems([{ name: 'trixie', title: 'Debian 13', node: { suite: 'trixie' }, rules: ['regex'] }]);
