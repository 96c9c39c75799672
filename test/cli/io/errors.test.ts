import { reportError } from '../../../src/cli/io/errors';
import { ERROR_TYPES, OspatchError } from '../../../src/domain/shared/errors';
import { fakeTerminal } from '../support';

describe('src/cli/io/errors', () => {
  test.each(ERROR_TYPES)('prints a remedy for an error of type %s without one of its own', (type) => {
    const terminal = fakeTerminal();
    reportError(terminal.context, new OspatchError({ type, message: 'it failed' }));
    expect(terminal.err()).toMatch(/^error: it failed\.\n {2}fix: \S.*\n$/);
    expect(terminal.exitCode()).toBe(type === 'Usage' || type === 'InvalidSpec' ? 2 : 1);
  });
});
